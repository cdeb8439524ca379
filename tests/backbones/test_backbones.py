"""PP-ResNet and its baselines against the paper's numbers and a plain float64 network."""

import json
from typing import Any

import plain
import pytest
import torch
from torch import nn
from zoo import BACKBONES, derived_backbones, images, scramble

from ppnas_mm.backbones.pp_resnet import BASELINE_BLOCKS, PPResNet, PPResNetCIFAR
from ppnas_mm.genotype import GENOTYPE_DIR, SPACE_RULES, GenotypeError, published

BLOCKS = ['ppconv', *BASELINE_BLOCKS]


def raw_cells(name: str) -> list[dict]:
    return json.loads((GENOTYPE_DIR / f'{name}.json').read_text())['cells']


def of_space(space: str, stages: int | None = None) -> list[str]:
    found = []
    for name in published():
        data = json.loads((GENOTYPE_DIR / f'{name}.json').read_text())
        if data['space'] == space and stages in (None, len(data['cells'])):
            found.append(name)
    return found


def count(net: nn.Module, classes: int) -> int:
    """Parameters of a backbone and its linear classifier."""
    own = sum(p.numel() for p in net.parameters())
    return own + net.feature_info[-1]['num_chs'] * classes + classes


def on_meta(cls: type, **kwargs: Any) -> Any:
    with torch.device('meta'):
        return cls(**kwargs)


def test_every_backbone_has_an_entry() -> None:
    assert derived_backbones() == sorted(BACKBONES)


# -- parameters and operations: the paper's numbers ------------------------------------------------


@pytest.mark.parametrize('name', of_space('ppconv', 4))
def test_pp_resnet50_has_25_718_352_parameters(name: str) -> None:
    assert count(on_meta(PPResNet, depth=50, arch=name), 1000) == 25_718_352


@pytest.mark.parametrize('name', of_space('ppconv', 3))
def test_pp_resnet110_has_18_492_810_parameters(name: str) -> None:
    assert count(on_meta(PPResNetCIFAR, depth=110, arch=name), 10) == 18_492_810


@pytest.mark.parametrize(
    ('block', 'expected'),
    [('resnet', 18_123_082), ('resnext', 18_110_282), ('res2net', 18_492_810)],
)
def test_baselines_of_depth_110(block: str, expected: int) -> None:
    assert count(on_meta(PPResNetCIFAR, depth=110, block=block), 10) == expected


def test_pp_resnet101_has_45_226_million_parameters() -> None:
    assert count(on_meta(PPResNet, depth=101), 1000) == 45_225_920


@pytest.mark.parametrize(
    ('kwargs', 'millions'),
    [
        ({'depth': 50, 'block': 'resnet'}, 25.576),
        ({'depth': 50, 'block': 'res2net'}, 25.718),
    ],
)
def test_imagenet_networks_in_millions(kwargs: dict, millions: float) -> None:
    assert round(count(on_meta(PPResNet, **kwargs), 1000) / 1e6, 3) == millions


def multiplications(net: nn.Module, size: int) -> int:
    """Multiplications of all convolutions, by the sizes of their outputs."""
    total = 0

    def add(module: nn.Conv2d, _: Any, out: torch.Tensor) -> None:
        nonlocal total
        total += out[0].numel() * module.weight[0].numel()

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(add)
    net.eval()(torch.zeros(1, 3, size, size, device='meta'))
    return total


@pytest.mark.parametrize(('block', 'giga'), [('ppconv', 4.49), ('resnet', 4.33), ('res2net', 4.49)])
def test_multiplications_at_224(block: str, giga: float) -> None:
    net = on_meta(PPResNet, depth=50, block=block)
    assert round((multiplications(net, 224) + 2048 * 1000) / 1e9, 2) == giga


# -- the forward pass: a plain float64 network -----------------------------------------------------


def compare(net: Any, x: torch.Tensor, **kwargs: Any) -> None:
    scramble(net).double().eval()
    expected = plain.network(plain.double_state(net), x, **kwargs)
    with torch.no_grad():
        outputs = net(x)
    assert len(outputs) == len(expected)
    for ours, theirs in zip(outputs, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('name', of_space('ppconv'))
@pytest.mark.parametrize('size', [(32, 32), (37, 41)])
def test_published_networks_compute_the_plain_formula(name: str, size: tuple[int, int]) -> None:
    cells = raw_cells(name)
    imagenet = len(cells) == 4
    kind = 'PPResNet' if imagenet else 'PPResNetCIFAR'
    net = (PPResNet if imagenet else PPResNetCIFAR)(arch=name, **BACKBONES[kind])
    depths = (3, 4, 6, 3) if imagenet else (2, 2, 2)
    x = images(2, 3, *size, dtype=torch.float64)
    compare(net, x, depths=depths, imagenet=imagenet, cells=cells)


@pytest.mark.parametrize('block', BASELINE_BLOCKS)
def test_baselines_compute_the_plain_formula(block: str) -> None:
    net = PPResNetCIFAR(block=block, depth=29, stem_channels=16, base_channels=16)
    x = images(2, 3, 19, 22, dtype=torch.float64)
    compare(net, x, depths=(3, 3, 3), imagenet=False, block=block)


@pytest.mark.parametrize('block', BASELINE_BLOCKS)
@pytest.mark.parametrize('size', [(64, 96), (65, 91), (37, 1)])
def test_baselines_of_the_authors_compute_the_plain_formula(
    block: str, size: tuple[int, int]
) -> None:
    """The stride is in the 3x3; the group of Res2Net without a 3x3 is pooled."""
    net = PPResNet(block=block, stride_in='conv3x3', **BACKBONES['PPResNet'])
    pooled = PPResNet(block=block, **BACKBONES['PPResNet'])
    assert {k: v.shape for k, v in net.state_dict().items()} == {
        k: v.shape for k, v in pooled.state_dict().items()
    }
    x = images(2, 3, *size, dtype=torch.float64)
    compare(net, x, depths=(3, 4, 6, 3), imagenet=True, block=block, stride_in='conv3x3')
    pooled.double().eval().load_state_dict(net.state_dict())
    with torch.no_grad():
        assert (pooled(x)[3] - net(x)[3]).abs().max() > 1e-3


def test_res2net_as_an_architecture_is_res2net() -> None:
    """A batch norm of tiny eps takes out that a PPConv averages what Res2Net adds."""
    shared = dict(depth=20, stem_channels=8, base_channels=8)
    cell, block = (
        PPResNetCIFAR(arch='res2net_cifar', **shared),
        PPResNetCIFAR(block='res2net', **shared),
    )
    weights = scramble(block).state_dict().values()
    cell.load_state_dict(dict(zip(cell.state_dict(), weights, strict=True)))
    x = images(2, 3, 16, 16, dtype=torch.float64)
    for net in (cell, block):
        net.double().train()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-18
    for ours, theirs in zip(cell(x), block(x), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_dilated_networks_compute_the_plain_formula() -> None:
    net = PPResNet(
        **BACKBONES['PPResNet'], strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), multi_grid=(1, 2, 4)
    )
    rates = [(1,) * 3, (1,) * 4, (1, 2, 2, 2, 2, 2), (2, 8, 16)]
    compare(
        net,
        images(1, 3, 48, 40, dtype=torch.float64),
        depths=(3, 4, 6, 3),
        imagenet=True,
        cells=raw_cells('pp_resnet_imagenet'),
        strides=(1, 2, 1, 1),
        dilations=rates,
    )


@pytest.mark.parametrize('op', sorted(SPACE_RULES['ppconv'].ops))
def test_operations_compute_the_plain_formula(op: str) -> None:
    cells = [
        {'name': f's{s}', 'inputs': 3, 'nodes': [[{'op': op, 'sources': [2, 0]}]] * 3}
        for s in range(3)
    ]
    arch = {'schema': 1, 'space': 'ppconv', 'cells': cells}
    net = PPResNetCIFAR(arch=arch, **BACKBONES['PPResNetCIFAR'], dilations=(1, 2, 3))
    rates = [(1, 1), (1, 2), (2, 3)]
    x = images(1, 3, 11, 9, dtype=torch.float64)
    compare(net, x, depths=(2, 2, 2), imagenet=False, cells=cells, dilations=rates)


@pytest.mark.parametrize('size', [1, 2, 3, 5, 7, 8, 28, 32, 56, 57])
def test_pools_ignore_padding_as_tensorflow_does(size: int) -> None:
    net = PPResNet(**BACKBONES['PPResNet'])
    block = net.layer2[0]
    x = images(2, 4, size, size + 1, dtype=torch.float64)
    for ours, kernel, kind in [
        (block.pool, 3, 'mean'),
        (block.shortcut[0], 2, 'mean'),
        (net.stem[3], 3, 'max'),
    ]:
        expected = plain.pool(x, kernel, kind, early=kernel == 3)
        torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-12)


# -- arguments that cannot be right ----------------------------------------------------------------


def three_cells(inputs: list[int]) -> dict:
    cells = [
        {'name': f's{i}', 'inputs': n, 'nodes': [[{'op': 'identity', 'sources': [0]}]] * n}
        for i, n in enumerate(inputs)
    ]
    return {'schema': 1, 'space': 'ppconv', 'cells': cells}


WRONG = {
    'depth': (PPResNet, {'depth': 34}, ValueError, 'depth=34'),
    'cifar depth': (PPResNetCIFAR, {'depth': 56 + 1}, ValueError, 'depth=57'),
    'cifar depth too small': (PPResNetCIFAR, {'depth': 2}, ValueError, 'depth=2'),
    'block': (PPResNetCIFAR, {'block': 'resnest'}, ValueError, 'resnest'),
    'stem': (PPResNet, {'stem': 'imagnet'}, ValueError, 'stem'),
    'out_indices': (PPResNetCIFAR, {'out_indices': (3,)}, ValueError, 'out_indices'),
    'no out_indices': (PPResNetCIFAR, {'out_indices': ()}, ValueError, 'out_indices'),
    'negative out_indices': (PPResNetCIFAR, {'out_indices': (-1,)}, ValueError, 'out_indices'),
    'frozen_stages': (PPResNetCIFAR, {'frozen_stages': 4}, ValueError, 'frozen_stages'),
    'frozen_stages low': (PPResNetCIFAR, {'frozen_stages': -2}, ValueError, 'frozen_stages'),
    'strides too few': (PPResNet, {'strides': (1, 2, 2)}, ValueError, 'strides'),
    'stride of 4': (PPResNet, {'strides': (1, 2, 2, 4)}, ValueError, 'strides'),
    'stride of 0': (PPResNet, {'strides': (1, 2, 2, 0)}, ValueError, 'strides'),
    'stride_in': (PPResNet, {'stride_in': 'conv1x1'}, ValueError, 'stride_in.*conv3x3'),
    'dilations too few': (PPResNet, {'dilations': (1, 1)}, ValueError, 'dilations'),
    'dilation of 0': (PPResNet, {'dilations': (1, 1, 1, 0)}, ValueError, 'dilations'),
    'multi_grid length': (PPResNet, {'multi_grid': (1, 2)}, ValueError, 'multi_grid'),
    'too narrow': (PPResNetCIFAR, {'base_channels': 2}, ValueError, 'base_channels'),
    'unknown argument': (PPResNet, {'base_chanels': 64}, TypeError, 'base_chanels'),
    'unknown arch': (PPResNet, {'arch': 'pp_resnet'}, GenotypeError, 'pp_resnet_imagenet'),
    'arch of 3 stages': (PPResNet, {'arch': 'pp_resnet_cifar10'}, GenotypeError, '3 cells.*4'),
    'arch of 4 stages': (
        PPResNetCIFAR,
        {'arch': 'pp_resnet_imagenet'},
        GenotypeError,
        '4 cells.*3',
    ),
    'arch of no type': (PPResNet, {'arch': 3.5}, GenotypeError, 'name, path or dict'),
    'arch of mixed groups': (
        PPResNetCIFAR,
        {'arch': three_cells([2, 3, 2])},
        GenotypeError,
        'groups',
    ),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_arguments_are_named(case: str) -> None:
    cls, kwargs, error, pattern = WRONG[case]
    small = BACKBONES[cls.__name__]
    on_meta(cls, **small)
    with pytest.raises(error, match=pattern) as info:
        on_meta(cls, **{**small, **kwargs})
    assert '\n' not in str(info.value)
