"""Blocks searched in networks of the installed libraries."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from networks import LIBRARY_NETWORKS
from tool import ROOT, call

from ppnas_mm.genotype import Genotype
from ppnas_mm.layers.plug import PlugError
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed

NAMES = sorted(LIBRARY_NETWORKS)


def super_net(name: str, **kwargs: Any) -> Any:
    network = LIBRARY_NETWORKS[name]
    return MODELS.build(
        dict(
            type='ppnas_mm.PluggedSuperNet',
            backbone=network.config,
            where=network.where,
            **kwargs,
        )
    )


@pytest.mark.parametrize('shared', [False, True], ids=['cells', 'one-cell'])
@pytest.mark.parametrize('name', NAMES)
def test_the_derived_network_computes_the_same(name: str, shared: bool) -> None:
    torch.manual_seed(0)
    net = super_net(name, shared=shared)
    images = torch.rand(2, 3, 64, 64)
    losses = [m.square().mean() for m in net.train()(images)]
    torch.stack(losses).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.arch_parameters().values())
    assert not any('held' in vars(block) for _, block in net.blocks())
    genotype = net.random_genotype(np.random.default_rng(0))
    with torch.no_grad():
        with net.eval().using(Fixed(net.to_path(genotype))):
            expected = net(images)
        config, weights = net.export(genotype)
        derived: Any = MODELS.build(config)
        derived.load_state_dict(weights)
        found = derived.eval()(images)
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).abs().max()) <= 1e-5 * float(other.abs().max())
    assert len(genotype.cells) == (1 if shared else 1 + max(p.stage for p in net.places))


def test_activation_checkpointing_of_the_library_is_refused() -> None:
    with pytest.raises(PlugError, match='with_cp=True'):
        MODELS.build(
            dict(
                type='ppnas_mm.PluggedSuperNet',
                backbone={**LIBRARY_NETWORKS['ResNet'].config, 'with_cp': True},
            )
        )


def test_pp_nas_learns_connections_and_operations() -> None:
    network = LIBRARY_NETWORKS['ResNet-CIFAR']
    backbone = dict(type='ppnas_mm.PluggedSuperNet', backbone=network.config)
    head = dict(type='LinearClsHead', num_classes=3, in_channels=64, topk=(1,))
    classifier = dict(
        type='ImageClassifier', backbone=backbone, neck=dict(type='GlobalAveragePooling'), head=head
    )
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        search: Any = MODELS.build(dict(type='ppnas_mm.PPNAS', model=classifier))
        samples = [DataSample().set_gt_label(i) for i in (0, 1, 2, 0)]
        losses = search(torch.rand(4, 3, 32, 32), samples, mode='loss')
    assert {'loss_task', 'loss_zero_one', 'loss_connection'} <= losses.keys()
    losses['loss_task'].backward()
    assert all(p.grad is not None and p.grad.any() for p in search.arch_parameters().values())


def test_a_search_in_a_resnet_of_mmpretrain(tmp_path: Path) -> None:
    """From the search to a network trained again, by the tools."""
    backbone = [
        '_delete_=True', 'type=ppnas_mm.PluggedSuperNet', 'backbone.type=mmpretrain.ResNet_CIFAR',
        'backbone.depth=18', 'backbone.stem_channels=8', 'backbone.base_channels=8',
    ]  # fmt: skip
    again = tmp_path / 'again.py'
    base = ROOT / 'configs/classification/pp-resnet20_digits.py'
    again.write_text(
        f"_base_ = '{base}'\n"
        "model = dict(backbone=dict(_delete_=True, type='ppnas_mm.Plugged',\n"
        "    backbone=dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=8,\n"
        '                  base_channels=8), arch=None), head=dict(in_channels=64))\n'
        'train_cfg = dict(max_epochs=1)\nparam_scheduler = dict(T_max=1)\n'
    )
    words = ['configs/search/random_digits.py', '--work-dir', str(tmp_path / 'work'),
             '--retrain', str(again), '--cfg-options',
             *(f'model.model.backbone.{word}' for word in backbone),
             'model.model.head.in_channels=64', 'train_cfg.max_epochs=1',
             'default_hooks.search.recalibrate_batches=1']  # fmt: skip
    assert call('search.py', *words) == 0
    genotype = Genotype.load(tmp_path / 'work/genotype.json')
    record = json.loads((tmp_path / 'work/search.json').read_text())
    assert record['result']['genotype'] == genotype.hash
    assert len(genotype.cells) == 4
    assert (tmp_path / 'work/retrain/last_checkpoint').is_file()
