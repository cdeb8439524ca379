"""The command ``ppnas``, and configs by name."""

import subprocess
import sys
from pathlib import Path

import pytest
from tool import ROOT

from ppnas_mm.cli import entry
from ppnas_mm.cli.configs import sentence
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config
from ppnas_mm.config.shipped import find_config

ENTRY = ROOT / 'ppnas_mm/cli/entry/__init__.py'
TOOLS = sorted(p.stem for p in (ROOT / 'tools').glob('*.py') if 'See ``ppnas' in p.read_text())


def test_each_command_is_a_tool_and_each_wrapper_a_command() -> None:
    assert set(TOOLS) == set(entry.COMMANDS) - {'configs'}
    modules = {p.stem for p in ENTRY.parents[1].glob('*.py')} - {
        '__init__',
        'arguments',
        'console',
        'errors',
    }
    assert modules == set(entry.COMMANDS)
    for name in TOOLS:  # no code but the call
        assert len((ROOT / f'tools/{name}.py').read_text().splitlines()) == 7


def test_help_imports_no_library() -> None:
    code = (
        f'import runpy, sys; runpy.run_path({str(ENTRY)!r})["main"](["--help"]); '
        'print(*{"torch", "mmengine", "numpy", "ppnas_mm"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    *text, imported = done.stdout.split('\n')[:-1]
    assert imported == ''
    assert all(any(f'  {name} ' in line for line in text) for name in entry.COMMANDS)


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-m', 'ppnas_mm', *words], capture_output=True, text=True, cwd=ROOT
    )


def test_a_command_runs_and_its_example_is_of_ppnas(tmp_path: Path) -> None:
    done = run('visualize', 'pp_resnet_cifar10', '--out', str(tmp_path / 'net.svg'))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'net.svg').read_text().startswith('<?xml')
    shown = run('visualize', '--help')
    assert 'usage: ppnas visualize' in shown.stdout
    assert '\n  ppnas visualize ' in shown.stdout and 'python tools' not in shown.stdout


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (['serch'], "no command 'serch'; did you mean 'search'?"),
        (['zzz'], "no command 'zzz'; expected one of ['search'"),
    ],
)
def test_an_unknown_command_is_one_line(
    words: list[str], text: str, capsys: pytest.CaptureFixture
) -> None:
    assert entry.main(words) == 2
    assert text in capsys.readouterr().err


def test_completion_offers_commands_and_configs(
    capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    assert entry.main(['completion']) == 0
    script = tmp_path / 'complete.bash'
    script.write_text(capsys.readouterr().out)
    asked = f'source {script}; COMP_WORDS=(ppnas se) COMP_CWORD=1; _ppnas; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(['bash', '-c', asked], capture_output=True, text=True)
    assert done.stdout.split() == ['search']
    assert entry.main(['completion', '--configs']) == 0
    names = capsys.readouterr().out.split()
    assert {'ppnas_digits', 'retinanet_pp-resnet50_coco'} <= set(names)


def test_configs_are_listed_with_a_line_each(capsys: pytest.CaptureFixture) -> None:
    shown = run('configs', 'DIGITS').stdout
    for path in (ROOT / 'configs').glob('[!_]*/*.py'):
        listed = f'{path.parent.name}/{path.stem} {sentence(path)}'.lower()
        assert (f'  {path.stem} ' in shown) == ('digits' in listed), path
    done = run('configs', 'nothing-has-this')
    assert done.returncode == 2 and 'error: ConfigError: no config has' in done.stderr


def test_configs_by_name() -> None:
    by_path = ROOT / 'configs/search/ppnas_digits.py'
    for name in ('ppnas_digits', 'ppnas_digits.py', 'configs/search/ppnas_digits.py',
                 'search/ppnas_digits.py', str(by_path)):  # fmt: skip
        assert find_config(name).samefile(by_path)
    found = find_config('mmdet::retinanet_r50_fpn_1x_coco')
    assert found.name == 'retinanet_r50_fpn_1x_coco.py' and 'mmdet' in str(found)
    assert find_config('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py').samefile(found)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('ppnas_digit', "no such file; did you mean 'ppnas_digits'?"),
        ('mmdet::retinanet_r50_fpn_1x_coc', "did you mean 'retinanet_r50_fpn_1x_coco'?"),
        ('mmfoo::x', "expected one of ['mmpretrain', 'mmdet', 'mmseg'] before"),
        ('mine/none.py', 'no such file'),
        ('none.yaml', 'no such file'),
    ],
)
def test_a_config_that_is_not_there(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_config(name)
    assert text in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize(
    'base',
    [
        'mmpretrain::resnet/resnet18_8xb32_in1k.py',
        'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py',
        'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py',
    ],
)
def test_a_config_inherits_from_one_of_a_library(base: str, tmp_path: Path) -> None:
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = {base!r}\ntrain_cfg = dict(val_interval=7)\n')
    config = load_config(path)
    assert config.train_cfg.val_interval == 7 and 'backbone' in config.model
