"""The snippets and commands of the README, and of the pages that it first leads to, are real."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tool import ROOT

from ppnas_mm.utils.compat import require

README = (ROOT / 'README.md').read_text()


def blocks(text):
    return re.findall(r'```(\w+)\n(.*?)```', text, re.S)


BLOCKS = blocks(README)
USE = blocks((ROOT / 'docs/how_to/use_a_backbone.md').read_text())
ADD = blocks((ROOT / 'docs/how_to/add_an_operation.md').read_text())


@pytest.mark.parametrize('library', ['mmdet', 'mmseg'])
def test_six_lines_make_a_config_of_the_library_use_the_backbone(library, tmp_path):
    text = next(b for kind, b in USE if kind == 'python' and f'# {library}:' in b)
    lines = [x for x in text.splitlines() if x.strip() and not x.lstrip().startswith('#')]
    assert len(lines) <= 7
    name = Path(re.search(r"_base_ = '\./(.+?)'", text).group(1))
    configs = Path(require(library).__file__).parent / '.mim' / 'configs'
    base = next(configs.rglob(name.name))
    path = tmp_path / 'config.py'
    path.write_text(text.replace(f'./{name}', str(base)))
    config = Config.fromfile(path)
    init_default_scope(library)
    model = require(f'{library}.registry').MODELS.build(config.model).eval()
    assert type(model.backbone).__name__ == 'PPResNet'
    with torch.no_grad():
        features = model.backbone(torch.randn(1, 3, 64, 64))
        outputs = (model.bbox_head if library == 'mmdet' else model.decode_head)(
            model.neck(features) if model.with_neck else features
        )
    if library == 'mmseg':
        assert outputs.shape == (1, 21, 16, 16)
        assert [tuple(f.shape[-2:]) for f in features] == [(16, 16), (8, 8), (8, 8), (8, 8)]
    else:
        assert outputs[0][0].shape == (1, 9 * 80, 8, 8)


def test_commands_name_tools_and_files_that_exist():
    commands = [
        shlex.split(line.replace('\\', ' '), comments=True)
        for kind, block in BLOCKS
        if kind == 'bash'
        for line in block.replace('\\\n', ' ').splitlines()
    ]
    words = [word for command in commands for word in command]
    assert 'make' in words and 'tools/search.py' in words
    for word in words:
        if word.startswith(('tools/', 'configs/')):
            assert (ROOT / word).is_file(), word
    targets = re.findall(r'^(\w+):', (ROOT / 'Makefile').read_text(), re.M)
    assert {c[1] for c in commands if c and c[0] == 'make'} <= set(targets)


def test_the_config_of_the_readme_is_the_one_that_is_built():
    (config,) = [b for kind, b in BLOCKS if kind == 'python' and '# mmdet:' in b]
    assert ('python', config) in USE


def test_the_badges_are_true():
    setup = (ROOT / 'setup.py').read_text()
    (minors,) = re.findall(r'for minor in \((.+?)\)', setup)
    first, *_, last = minors.split(', ')
    assert f'Python 3.{first} to 3.{last}' in README
    assert f'3.{first} to 3.{last}' in (ROOT / 'docs/images/python.svg').read_text()
    assert "license='Apache-2.0'" in setup
    assert 'Apache-2.0' in (ROOT / 'docs/images/licence.svg').read_text()
    assert 'Licence: Apache-2.0' in README


def test_the_own_operation_of_the_how_to_works():
    from ppnas_mm import genotype
    from ppnas_mm.layers import ops
    from ppnas_mm.spaces import PPConvSuperNet

    code = next(b for kind, b in ADD if kind == 'python' and 'register_op' in b)
    try:
        exec(code, {})
        net = PPConvSuperNet(depth=20, base_channels=8, ops=('identity', 'conv_3x3', 'conv_7x7'))
        assert net(torch.randn(2, 3, 16, 16))[-1].shape == (2, 128, 4, 4)
    finally:
        ops.OPS.pop('conv_7x7', None)
        genotype.SPACE_RULES['ppconv'].ops.discard('conv_7x7')
