"""``ppnas_mm.search``: the command from Python."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from tool import call

import ppnas_mm
from ppnas_mm.config.keys import ConfigError

QUICK = {'default_hooks.search.recalibrate_batches': 1}


def finished() -> Config:
    """A classifier of digits that a user has written."""
    head = dict(type='LinearClsHead', num_classes=10, in_channels=64, topk=(1,))
    base = Config.fromfile(Path(__file__).parents[2] / 'configs/_base_/datasets/digits.py')
    return Config(
        dict(
            base.to_dict(),
            default_scope='mmpretrain',
            model=dict(
                type='ImageClassifier',
                backbone=dict(type='ResNet_CIFAR', depth=18, stem_channels=8, base_channels=8),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(head, loss=dict(type='CrossEntropyLoss')),
            ),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
            train_cfg=dict(by_epoch=True, max_epochs=1, val_interval=1),
            val_cfg=dict(),
            test_cfg=dict(),
        )
    )


def test_from_a_config_object_to_a_model(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    work = tmp_path / 'work'
    found = ppnas_mm.search(finished(), work, 'plugged', 'random', options=QUICK, seed=3)
    assert found.record['seed'] == 3 and found.record['algorithm'] == 'RandomSearch'
    assert found.record['result']['genotype'] == found.genotype.hash
    model = found.model()
    assert not model.training and model.backbone.genotype == found.genotype
    logits = model(torch.rand(2, 3, 16, 16))
    assert logits.shape[0] == 2 or isinstance(logits, tuple)
    capsys.readouterr()
    weights = work / 'derived.safetensors'
    assert call('test.py', work / 'config.py', weights, '--work-dir', tmp_path / 't') == 0
    assert f'{found.scores["accuracy/top1"]:.2f}' in capsys.readouterr().out
    # the work dir is free again, and the same search gives the same bytes
    before = weights.read_bytes()
    again = ppnas_mm.search(finished(), work, 'plugged', 'random', options=QUICK, seed=3)
    assert again.genotype == found.genotype and weights.read_bytes() == before


def test_wrong_arguments_are_refused_before_the_search(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='a config object needs work_dir'):
        ppnas_mm.search(finished(), space='plugged')
    with pytest.raises(ConfigError, match='trains a network'):
        ppnas_mm.search(finished(), tmp_path)
    with pytest.raises(ConfigError, match=r"did you mean 'ppnas_digits'\?"):
        ppnas_mm.search('ppnas_digit', tmp_path)
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        ppnas_mm.serch  # noqa: B018


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[2] / 'docs/how_to/search.ipynb'
    cells = [c for c in json.loads(path.read_text())['cells'] if c['cell_type'] == 'code']
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for cell in cells:
        code = ''.join(cell['source']).replace(
            "'train_cfg.max_epochs': 3", "'train_cfg.max_epochs': 1"
        )
        exec(code.replace("'train_cfg.val_interval': 3", "'train_cfg.val_interval': 1"), names)
    assert set(names['found'].scores) == {'accuracy/top1'}
