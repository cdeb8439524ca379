"""Configs in YAML and JSON are data: they bring no code, and train as the same config in Python."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import open_doors
from mmengine.config import Config
from tool import RETRAIN, TINY_TRAIN, call

from ppnas_mm.config.load import load_config


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test closes the doors that it needs closed."""
    open_doors(monkeypatch)


CODE = [
    ({'custom_imports': {'imports': ['evil']}}, 'custom_imports'),
    ({'custom_hooks': [{'type': 'X("a")'}]}, r'custom_hooks\.0\.type'),
    ({'nms': {'type': '__import__("os").system("x")'}}, r'nms\.type'),
    ({'dtype': 'load("x")'}, 'dtype'),
    ({'a': {'warp_mode': 'print(1)'}}, r'a\.warp_mode'),
    ({'a': {'trust_remote_code': True}}, r'a\.trust_remote_code'),
    ({'default_scope': 'evil'}, 'default_scope'),
    ({'a': {'_scope_': 'evil'}}, '_scope_'),
    ({'_base_': 'x.py'}, "_base_='x.py'"),
    ({'_base_': ['mmdet::_base_/default_runtime.py']}, '_base_='),
    ({'_base_': 'x.txt'}, '_base_='),
    ({'_base_': 'a.json'}, 'its _base_ files form a cycle'),
    ({'_base_': 'none.json'}, 'no such file'),
]


@pytest.mark.parametrize(('content', 'words'), CODE)
def test_a_config_of_data_brings_no_code(content: Any, words: str, tmp_path: Path) -> None:
    marker = tmp_path / 'exploded'
    for name in ('x.py', 'evil.py'):
        (tmp_path / name).write_text(f"open({str(marker)!r}, 'w')\n")
    (tmp_path / 'a.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf'config .*a\.json: .*{words}'):
        load_config(tmp_path / 'a.json')
    assert not marker.exists()


def test_a_config_of_data_names_registered_classes_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By itself mmengine imports and calls whatever ``type`` names."""
    marker = tmp_path / 'exploded'
    config = Config.fromfile(RETRAIN)
    config.custom_hooks = [dict(type='os.mkdir', path=str(marker))]
    config.dump(str(tmp_path / 'a.json'))
    options = ['--work-dir', tmp_path / 'w', '--cfg-options', 'train_cfg.max_epochs=1']
    assert call('train.py', tmp_path / 'a.json', *options) == 2
    assert not marker.exists()
    assert 'os.mkdir' in capsys.readouterr().err
    model = {'type': 'os.mkdir', 'path': str(marker)}
    (tmp_path / 'b.json').write_text(json.dumps({'model': model, 'default_scope': 'mmpretrain'}))
    torch.save({'state_dict': {'w': torch.zeros(1)}}, tmp_path / 'w.pth')
    files = [tmp_path / 'w.pth', tmp_path / 'out.pth']
    assert call('convert.py', *files, '--config', tmp_path / 'b.json') == 2
    assert not marker.exists()


def test_a_config_of_data_trains(tmp_path: Path) -> None:
    config = Config.fromfile(RETRAIN)
    config.dump(str(tmp_path / 'below.json'))
    (tmp_path / 'a.yaml').write_text('_base_: below.json\nrandomness: {seed: 3}\n')
    options = ['--work-dir', tmp_path / 'w', '--cfg-options', *TINY_TRAIN]
    assert call('train.py', tmp_path / 'a.yaml', *options) == 0
    assert (tmp_path / 'w/result.json').is_file()
