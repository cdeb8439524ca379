"""DropPathHook: a linear ramp over the epochs, also when a run is resumed."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmcv.cnn.bricks import DropPath
from torch import nn
from zoo import build_network, images

from ppnas_mm.registry import HOOKS


def model(rate: float = 0.3) -> Any:
    net = nn.Module()
    net.backbone = build_network('ppnas_mm.DARTSNet', drop_path_rate=rate)
    net.head = DropPath(0.5)
    return net


def runner(net: Any, epoch: int = 0) -> Any:
    return SimpleNamespace(model=net, epoch=epoch, max_epochs=6)


def rates(net: Any) -> set[float]:
    return {m.drop_prob for m in net.backbone.modules() if isinstance(m, DropPath)}


@pytest.mark.parametrize('first', [0, 4])
def test_rises_linearly_from_any_epoch(first: int) -> None:
    net, hook = model(), HOOKS.build(dict(type='DropPathHook'))
    hook.before_train(runner(net))
    for epoch in range(first, 6):
        hook.before_train_epoch(runner(net, epoch))
        assert list(rates(net)) == pytest.approx([0.3 * epoch / 6])
    assert net.head.drop_prob == 0.5, 'only the backbone'


def test_the_first_epoch_drops_nothing_and_a_late_one_does() -> None:
    net, hook, x = model(), HOOKS.build(dict(type='ppnas_mm.DropPathHook')), images(8, 3, 16, 16)
    plain = model(0.0)
    plain.backbone.load_state_dict(net.backbone.state_dict())
    expected = plain.backbone.train()(x)[-1]
    hook.before_train_epoch(runner(net, 0))
    assert torch.equal(net.backbone.train()(x)[-1], expected)
    hook.before_train_epoch(runner(net, 5))
    assert not torch.allclose(net.backbone(x)[-1], expected)


def test_a_wrapped_model_is_looked_into() -> None:
    net = model()
    wrapper = nn.DataParallel(net)
    HOOKS.build(dict(type='DropPathHook')).before_train_epoch(runner(wrapper, 3))
    assert list(rates(net)) == pytest.approx([0.15])


@pytest.mark.parametrize('name', ['DARTSNet', 'PPResNet'])
def test_a_backbone_without_drop_path_is_an_error(name: str) -> None:
    net = nn.Module()
    net.backbone = build_network(f'ppnas_mm.{name}')
    with pytest.raises(ValueError, match=f'{name} has no drop path; set drop_path_rate'):
        HOOKS.build(dict(type='DropPathHook')).before_train(runner(net))
