"""What only networks around a ResNet have: residual norms, dilations, drop path along the depth."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model.weight_init import PretrainedInit
from torch import nn
from zoo import BACKBONES, RESNETS, build_network, images, scramble

from ppnas_mm.backbones.pp_resnet import PPResNet, PPResNetCIFAR

resnet = pytest.mark.parametrize('name', RESNETS)


def stages_of(net: Any) -> list[nn.Module]:
    """The stem, then the stages."""
    return [net.stem, *(getattr(net, info['module']) for info in net.feature_info)]


# -- initialisation --------------------------------------------------------------------------------


def last_norms(net: Any) -> list[nn.Module]:
    return [block.conv3.norm for stage in stages_of(net)[1:] for block in stage]


@resnet
@pytest.mark.parametrize('zero', [False, True])
def test_the_last_norm_of_a_block_starts_at_zero_where_asked(name: str, zero: bool) -> None:
    net = build_network(name, zero_init_residual=zero)
    net.init_weights()
    last = {id(m) for m in last_norms(net)}
    assert last
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            value = 0.0 if zero and id(norm) in last else 1.0
            assert (norm.weight == value).all() and (norm.bias == 0).all()


@pytest.mark.parametrize('kind', ['a dict', 'a class', 'a list'])
def test_zero_init_residual_spares_pretrained_weights(kind: str, tmp_path: Path) -> None:
    source = scramble(PPResNetCIFAR(**BACKBONES['PPResNetCIFAR']))
    path = str(tmp_path / 'weights.pth')
    torch.save({'state_dict': {f'backbone.{k}': v for k, v in source.state_dict().items()}}, path)
    config: Any = {
        'type': PretrainedInit if kind == 'a class' else 'Pretrained',
        'checkpoint': path,
        'prefix': 'backbone',
    }
    net = PPResNetCIFAR(
        **BACKBONES['PPResNetCIFAR'],
        zero_init_residual=True,
        init_cfg=[config] if kind == 'a list' else config,
    )
    net.init_weights()
    for key, value in source.state_dict().items():
        torch.testing.assert_close(net.state_dict()[key], value, rtol=0, atol=0)


@pytest.mark.parametrize(('cls', 'zero'), [(PPResNet, False), (PPResNetCIFAR, True)])
def test_zero_init_is_on_for_cifar_only(cls: type, zero: bool) -> None:
    net = cls(**BACKBONES[cls.__name__])
    net.init_weights()
    assert all((norm.weight == (0 if zero else 1)).all() for norm in last_norms(net))


# -- strides, dilations (reference table) ----------------------------------------------------------

OS8 = {'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4)}
OS16 = {'strides': (1, 2, 2, 1), 'dilations': (1, 1, 1, 2)}
GRID = {'multi_grid': (1, 2, 4)}
KEEP = {'contract_dilation': False}
DILATIONS = {
    'os32': ({}, [[1] * 6, [1] * 3], [4, 8, 16, 32]),
    'os8': (OS8, [[1, 2, 2, 2, 2, 2], [2, 4, 4]], [4, 8, 8, 8]),
    'os8 multi-grid': ({**OS8, **GRID}, [[1, 2, 2, 2, 2, 2], [2, 8, 16]], [4, 8, 8, 8]),
    'os16': (OS16, [[1] * 6, [1, 2, 2]], [4, 8, 16, 16]),
    'os16 multi-grid': ({**OS16, **GRID}, [[1] * 6, [1, 4, 8]], [4, 8, 16, 16]),
    'os8 not contracted': ({**OS8, **KEEP}, [[2] * 6, [4] * 3], [4, 8, 8, 8]),
    'os8 DeepLabv3': ({**OS8, **KEEP, **GRID}, [[2] * 6, [4, 8, 16]], [4, 8, 8, 8]),
}


@pytest.mark.parametrize('block', ['ppconv', 'res2net', 'resnet'])
@pytest.mark.parametrize('case', DILATIONS)
def test_dilations_and_strides_follow_the_table(case: str, block: str) -> None:
    kwargs, rates, reductions = DILATIONS[case]
    net = PPResNet(block=block, **BACKBONES['PPResNet'], **kwargs).eval()
    assert [info['reduction'] for info in net.feature_info] == reductions
    maps = net(images(1, 3, 64, 64))
    assert [64 // m.shape[-1] for m in maps] == reductions
    expected = [[1] * 3, [1] * 4, *rates]
    for stage, blocks in zip(stages_of(net)[1:], expected, strict=True):
        found = []
        for bottleneck in stage:
            convolutions = [m for m in bottleneck.modules() if isinstance(m, nn.Conv2d)]
            wide = [m for m in convolutions if m.kernel_size == (3, 3)]
            assert wide and all(m.padding == m.dilation for m in wide)
            (dilation,) = {m.dilation for m in wide}
            found.append(dilation[0])
        assert found == blocks
    for s, stage in enumerate(stages_of(net)[1:]):
        pools = [m for m in stage.modules() if isinstance(m, nn.AvgPool2d)]
        strides = kwargs.get('strides', (1, 2, 2, 2))
        assert len(pools) == (2 if strides[s] == 2 else 0)


# -- drop path -------------------------------------------------------------------------------------


@resnet
def test_drop_path_grows_linearly_and_rests_in_evaluation(name: str) -> None:
    net, plain = build_network(name, drop_path_rate=0.4), build_network(name)
    blocks = [block for stage in stages_of(net)[1:] for block in stage]
    for i, block in enumerate(blocks):
        rate = getattr(block.drop_path, 'drop_prob', 0.0)
        assert rate == pytest.approx(0.4 * i / (len(blocks) - 1))
    x = images(2, 3, 32, 32)
    torch.testing.assert_close(net.eval()(x), plain.eval()(x), rtol=0, atol=0)
