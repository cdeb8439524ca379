"""Every command of the pages is one that the tools take; tests/slow/test_pages.py runs them."""

import re

import pytest
from pages import PAGES, ROOT, blocks, commands, reason_not_to_run, small

COMMANDS = [
    (page, command)
    for page in PAGES
    for block in blocks(page)
    if block.kind == 'bash'
    for command in commands(block.text)
]


def test_commands_of_a_block():
    text = 'A=1 \\\n  python tools/x.py a.py \\\n  --b 2   # why\n# nothing\nmake x && make y\n'
    found = list(commands(text))
    assert [c.words for c in found] == [
        ['python', 'tools/x.py', 'a.py', '--b', '2'], ['make', 'x'], ['make', 'y'],
    ]  # fmt: skip
    assert found[0].environment == {'A': '1'}
    assert (found[0].tool, found[0].config) == ('x.py', 'a')


def test_small_options_do_not_replace_those_of_the_page():
    text = 'python tools/train.py pp-resnet50_imagefolder.py --cfg-options train_cfg.max_epochs=9'
    (command,) = commands(text)
    words = small(command)
    assert 'train_cfg.max_epochs=9' in words and 'train_cfg.max_epochs=1' not in words


@pytest.mark.parametrize(
    ('page', 'command'), COMMANDS, ids=lambda value: str(getattr(value, 'words', value))
)
def test_command(page, command):
    """It runs a tool that is there, with options that the tool has, on configs that are there."""
    for word in command.words:
        if word.startswith(('tools/', 'configs/')):
            assert (ROOT / word).is_file(), f'{page}: {word}'
    if not reason_not_to_run(command):
        assert command.words[0] in ('python', 'mkdir', 'ln'), command.words


@pytest.mark.parametrize('tool', sorted({c.tool for _, c in COMMANDS if c.tool.endswith('.py')}))
def test_options_of_the_pages_are_those_of_the_tool(tool):
    """By docs/reference/cli.md, which test_docs.py compares with the parsers of the tools."""
    text = (ROOT / 'docs/reference/cli.md').read_text()
    (section,) = re.findall(rf'^## {tool}\n(.*?)(?=^## |\Z)', text, re.M | re.S)
    parts = re.split(rf'^### {tool} ', section, flags=re.M)
    commands = {part.split('\n')[0]: part for part in parts[1:]}
    for _, command in COMMANDS:
        if command.tool == tool and command.words[0] == 'python':
            shown = commands[command.words[2]] if commands else section
            for option in re.findall(r'(?<= )--[a-z-]+', ' ' + ' '.join(command.words)):
                assert f'`{option}`' in shown, f'{command.words}: {option}'
