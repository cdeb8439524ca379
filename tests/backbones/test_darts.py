"""DARTSNet: sizes of the published networks, stages, drop path, auxiliary output, plain formula."""

import json
from typing import Any

import plain
import pytest
import torch
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn
from zoo import BACKBONES, images, scramble

from ppnas_mm.backbones import DARTSNet
from ppnas_mm.backbones.darts import CellBlock
from ppnas_mm.genotype import GENOTYPE_DIR, Genotype, GenotypeError, published
from ppnas_mm.layers.ops import FactorizedReduce
from ppnas_mm.spaces import DARTSSuperNet

SMALL = BACKBONES['DARTSNet']
DARTS = [name for name in published() if Genotype.load(name).space == 'darts']


def on_meta(cls: type = DARTSNet, **kwargs: Any) -> Any:
    with torch.device('meta'):
        return cls(**kwargs)


# -- parameters and multiplications, counted in the authors' networks ------------------------------

# millions of parameters and of multiplications with a linear classifier: CIFAR with 36 channels,
# ImageNet with 48, ImageNet with 44
SIZES = {
    'cdarts_cifar10': (3.859, 590.1, 5.494, 598.9, 4.694, 506.5),
    'cdarts_imagenet': (4.670, 731.2, 6.360, 712.9, 5.436, 605.0),
    'darts_v1': (3.169, 501.0, 4.510, 505.9, 3.861, 427.6),
    'darts_v2': (3.349, 528.4, 4.719, 529.9, 4.037, 447.9),
    'pdarts': (3.434, 532.2, 4.944, 542.8, 4.230, 459.2),
    'pcdarts_cifar10': (3.635, 556.7, 5.271, 571.1, 4.508, 483.5),
    'pcdarts_imagenet': (3.722, 570.5, 5.342, 581.6, 4.566, 492.0),
}
# by arithmetic from the authors' cells: parameters on CIFAR, then both on ImageNet, 48 channels;
# the paper prints 3.4, 5.0 and 570 for one of its cells (Tables I and II)
EOINAS_SIZES = {
    'eoinas_cifar10': (3.45, 5.04, 548),
    'eoinas_cityscapes': (3.57, 5.11, 564),
    'eoinas_gnas': (4.14, 5.82, 640),
    'eoinas_gnas_2': (3.53, 5.10, 555),
}
SETTINGS: tuple[tuple[dict, int, int], ...] = (
    ({'variant': 'cifar', 'num_cells': 20, 'init_channels': 36}, 10, 32),
    ({'variant': 'imagenet', 'num_cells': 14, 'init_channels': 48}, 1000, 224),
    ({'variant': 'imagenet', 'num_cells': 14, 'init_channels': 44}, 1000, 224),
)


def multiplications(net: nn.Module, size: int) -> int:
    total = 0

    def add(module: nn.Conv2d, _: Any, out: Tensor) -> None:
        nonlocal total
        total += out.numel() * module.weight[0].numel()

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(add)
    net.eval()(torch.zeros(1, 3, size, size, device='meta'))
    return total


def sizes(kwargs: dict, classes: int, size: int) -> tuple[float, float]:
    """Millions of parameters and of multiplications with a linear classifier."""
    net = on_meta(**kwargs)
    own = sum(p.numel() for p in net.parameters())
    width = net.out_channels[-1]
    products = multiplications(net, size) + width * classes
    return (own + width * classes + classes) / 1e6, products / 1e6


@pytest.mark.parametrize('name', SIZES)
def test_sizes_are_those_of_the_authors_networks(name: str) -> None:
    found: list[float] = []
    for kwargs, classes, size in SETTINGS:
        parameters, products = sizes({**kwargs, 'arch': name}, classes, size)
        found += [round(parameters, 3), round(products, 1)]
    assert tuple(found) == SIZES[name]


@pytest.mark.parametrize('name', EOINAS_SIZES)
def test_sizes_of_the_eoinas_cells(name: str) -> None:
    (cifar, _), (imagenet, products) = (
        sizes({**kwargs, 'arch': name}, classes, size) for kwargs, classes, size in SETTINGS[:2]
    )
    assert (round(cifar, 2), round(imagenet, 2), round(products)) == EOINAS_SIZES[name]
    said = Genotype.load(name).provenance.get('multiply-adds', '')
    if name == 'eoinas_cifar10':  # Table II prints another number
        assert f'{round(products)} M here' in said and 'the paper prints 570 M' in said


def test_size_of_gdas_is_that_of_its_paper() -> None:
    kwargs = {'arch': 'gdas', 'variant': 'imagenet', 'num_cells': 14, 'init_channels': 50}
    parameters, products = sizes(kwargs, 1000, 224)
    assert (int(10 * parameters) / 10, round(products)) == (5.3, 581)


@pytest.mark.parametrize(('number', 'millions'), [(8, 1.927), (20, 4.545)])
def test_super_nets_have_two_sets_of_14_edges(number: int, millions: float) -> None:
    net = on_meta(DARTSSuperNet, num_cells=number)
    arch = net.arch_parameters()
    assert len(arch) == 28 and {p.numel() for p in arch.values()} == {8}
    cells = [m for m in net.modules() if isinstance(m, CellBlock)]
    assert len(cells) == number
    # as counted in the authors' network
    assert round(sum(p.numel() for c in cells for p in c.parameters()) / 1e6, 3) == millions


# -- the forward pass: a plain float64 network -----------------------------------------------------


def plain_cell(state: dict, key: str, states: list[Tensor], cell: dict, stride: int) -> Tensor:
    values = list(states)
    for j, edges in enumerate(cell['nodes']):
        total: Any = 0
        for k, edge in enumerate(edges):
            (source,) = edge['sources']
            step = stride if source < 2 else 1
            total = total + plain.OPS[edge['op']](
                state, f'{key}.dag.nodes.{j}.{k}', values[source], step, 1
            )
        values.append(total)
    return torch.cat(values[2:], 1)


def plain_network(
    state: dict, x: Tensor, cells: dict, variant: str, reductions: tuple[int, ...], number: int
) -> list[Tensor]:
    """Feature maps of all stages."""
    outputs, halved, stage, place = [], variant != 'cifar', 1, 0
    if variant == 'segmentation':
        before = plain.conv(state, 'stem.1', plain.conv(state, 'stem.0', x, stride=2))
        x = plain.conv(state, 'layer1.0.conv', before, stride=2, act=False)
        place = 1
    elif variant == 'imagenet':
        stem = plain.conv(state, 'stem.0', x, stride=2)
        before = plain.conv(state, 'layer1.0.conv', stem, stride=2, act=False)
        x = plain.conv(state, 'layer2.0.conv', plain.relu(before), stride=2, act=False)
        outputs, stage, place = [before], 2, 1
    else:
        before = x = plain.conv(state, 'stem.0', x, act=False)
    for index in range(number):
        reduces = index in reductions
        if reduces:
            outputs.append(x)
            stage, place = stage + 1, 0
        key = f'layer{stage}.{place}'
        first = (
            plain.factorized_reduce(state, f'{key}.preprocess0', before)
            if halved
            else plain.conv_after_relu(state, f'{key}.preprocess0', before)
        )
        second = plain.conv_after_relu(state, f'{key}.preprocess1', x)
        cell = cells['reduction' if reduces else 'normal']
        y = plain_cell(state, key, [first, second], cell, 2 if reduces else 1)
        before, x, halved, place = x, y, reduces, place + 1
    return [*outputs, x]


CASES: dict[str, dict[str, Any]] = {
    'cifar': {},
    'imagenet': {'variant': 'imagenet'},
    'imagenet deep': {'variant': 'imagenet', 'num_cells': 5},
    'segmentation': {'variant': 'segmentation'},
    'segmentation deep': {'variant': 'segmentation', 'num_cells': 5, 'reductions': (1, 3)},
    'reductions': {'num_cells': 4, 'reductions': (2,)},
    'a reduction first': {'num_cells': 3, 'reductions': (1,), 'variant': 'imagenet'},
    'no reduction': {'num_cells': 2, 'reductions': ()},
    'pool norm': {'pool_norm': True},
    'norms without parameters': {'norm_cfg': {'type': 'BN', 'affine': False}},
    'stem': {'stem_multiplier': 1, 'in_channels': 3},
}


@pytest.mark.parametrize('size', [(32, 32), (37, 29)])
@pytest.mark.parametrize('case', CASES)
def test_networks_compute_the_plain_formula(case: str, size: tuple[int, int]) -> None:
    for name in ('cdarts_imagenet', 'darts_v1'):
        kwargs = {**SMALL, **CASES[case], 'arch': name}
        net = scramble(DARTSNet(**kwargs)).double().eval()
        cells = json.loads((GENOTYPE_DIR / f'{name}.json').read_text())['cells']
        number = kwargs['num_cells']
        x = images(2, 3, *size, dtype=torch.float64)
        expected = plain_network(
            plain.double_state(net),
            x,
            {cell['name']: cell for cell in cells},
            kwargs.get('variant', 'cifar'),
            kwargs.get('reductions', (number // 3, 2 * number // 3)),
            number,
        )
        with torch.no_grad():
            outputs = net(x)
        assert len(outputs) == len(expected)
        for ours, theirs in zip(outputs, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('name', DARTS)
def test_published_networks_compute_finite_maps(name: str) -> None:
    net = scramble(DARTSNet(**{**SMALL, 'arch': name})).train()
    maps = net(images(2, 3, 16, 16))
    assert all(torch.isfinite(m).all() for m in maps)
    sum((m * m).mean() for m in maps).backward()
    assert not [n for n, p in net.named_parameters() if p.grad is None]


# -- stages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('cls', [DARTSNet, DARTSSuperNet])
@pytest.mark.parametrize(
    ('variant', 'expected'),
    [
        ('imagenet', [(4, 16, 24), (16, 8, 12), (32, 4, 6), (64, 2, 3)]),
        ('segmentation', [(16, 16, 24), (32, 8, 12), (64, 4, 6)]),
    ],
)
def test_stages_have_strides_4_to_32_or_16(cls: type, variant: str, expected: list) -> None:
    arch = {'arch': 'cdarts_imagenet'} if cls is DARTSNet else {}
    net = cls(variant=variant, num_cells=6, init_channels=4, **arch).eval()
    strides = [info['reduction'] for info in net.feature_info]
    assert strides == [4, 8, 16, 32][: len(expected)]
    assert net.out_channels == [shape[0] for shape in expected]
    assert [m.shape[1:] for m in net(images(1, 3, 64, 96))] == expected


def test_reduction_cells_stand_at_one_and_two_thirds() -> None:
    for number, expected in ((20, [6, 13]), (14, [4, 9]), (8, [2, 5])):
        net = on_meta(arch='darts_v2', num_cells=number, init_channels=4)
        kinds = [m.kind for m in net.modules() if isinstance(m, CellBlock)]
        assert [i for i, kind in enumerate(kinds) if kind == 'reduction'] == expected
    net = on_meta(arch='darts_v2', num_cells=5, init_channels=4, reductions=(1, 2, 4))
    assert [info['reduction'] for info in net.feature_info] == [1, 2, 4, 8]
    assert net.out_channels == [16, 32, 64, 128]


def test_stem_norms_keep_their_parameters() -> None:
    norm_cfg = {'type': 'BN', 'affine': False, 'momentum': 0.03}
    for variant in ('cifar', 'imagenet', 'segmentation'):
        net = DARTSNet(**SMALL, variant=variant, norm_cfg=norm_cfg)
        for name, module in net.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                inside = any(name.startswith(f'{block}.') for block in net.stem_blocks)
                assert (module.weight is not None) == inside, name
                assert module.momentum == 0.03
    assert norm_cfg == {'type': 'BN', 'affine': False, 'momentum': 0.03}


# -- drop path, auxiliary output -------------------------------------------------------------------


@pytest.mark.parametrize('rate', [0.0, 0.3])
def test_drop_path_stands_on_every_edge_but_identities(rate: float) -> None:
    net = DARTSNet(**{**SMALL, 'arch': 'darts_v1'}, drop_path_rate=rate)
    drops = [m for m in net.modules() if isinstance(m, DropPath)]
    cells = [m for m in net.modules() if isinstance(m, CellBlock)]
    assert len(drops) == (len(cells) if rate else 0)
    assert all(m.drop_prob == rate for m in drops)
    calls: list[int] = []
    for drop in drops:
        drop.register_forward_hook(lambda *_: calls.append(1))
    x = images(2, 3, 16, 16)
    net.train()(x)
    edges = [op for cell in cells for node in cell.dag.nodes for op in node]
    kept = [op for op in edges if not isinstance(op, nn.Identity)]
    assert len(calls) == (len(kept) if rate else 0) and len(kept) < len(edges)
    plain_net = DARTSNet(**{**SMALL, 'arch': 'darts_v1'})
    plain_net.load_state_dict(net.state_dict())
    torch.testing.assert_close(net.eval()(x), plain_net.eval()(x), rtol=0, atol=0)


def test_dropped_edges_are_whole_images_and_the_rest_is_scaled() -> None:
    net = DARTSNet(**SMALL, drop_path_rate=0.25)
    drop = next(m for m in net.modules() if isinstance(m, DropPath)).train()
    y = drop(torch.ones(4000, 1, 2, 2)).flatten(1)
    assert set(y.unique().tolist()) == {0.0, float(torch.tensor(1 / 0.75))}
    assert (y == y[:, :1]).all()
    assert float((y[:, 0] == 0).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_the_auxiliary_output_is_first_and_in_training_only() -> None:
    net, without = DARTSNet(**SMALL, auxiliary=True), DARTSNet(**SMALL)
    without.load_state_dict(net.state_dict())
    x = images(2, 3, 16, 16)
    last = [m for m in net.modules() if isinstance(m, CellBlock) and m.kind == 'reduction'][-1]
    seen: list[Tensor] = []
    last.register_forward_hook(lambda m, i, out: seen.append(out))
    extra, *maps = net.train()(x)
    torch.testing.assert_close(tuple(maps), without.train()(x))
    assert len(maps) == len(net.out_channels) == len(net.feature_info)
    assert extra is seen[0]
    assert len(net.eval()(x)) == len(maps)
    single = DARTSNet(**SMALL, auxiliary=True, out_indices=(2,)).train()
    assert len(single(x)) == 2
    none = DARTSNet(**{**SMALL, 'num_cells': 2}, reductions=(), auxiliary=True).train()
    assert len(none(x)) == 1


# -- arguments that cannot be right ----------------------------------------------------------------

WRONG: dict[str, tuple[type, dict, type, str]] = {
    'unknown arch': (DARTSNet, {'arch': 'cdarts'}, GenotypeError, 'cdarts_cifar10'),
    'arch of ppconv': (DARTSNet, {'arch': 'pp_resnet_cifar10'}, GenotypeError, "darts.*'ppconv'"),
    'variant': (DARTSNet, {'variant': 'imagnet'}, ValueError, 'imagnet'),
    'reductions fall': (DARTSNet, {'reductions': (2, 1)}, ValueError, 'reductions'),
    'a reduction twice': (DARTSNet, {'reductions': (1, 1)}, ValueError, 'reductions'),
    'the first cell reduces': (DARTSNet, {'reductions': (0,)}, ValueError, r'1\.\.2'),
    'a reduction too late': (DARTSNet, {'reductions': (3,)}, ValueError, 'reductions'),
    'too few cells': (DARTSNet, {'num_cells': 2}, ValueError, 'reductions'),
    'odd width': (DARTSNet, {'init_channels': 5, 'num_cells': 3}, ValueError, 'out_channels=5'),
    'out_indices': (DARTSNet, {'out_indices': (3,)}, ValueError, 'out_indices'),
    'frozen_stages': (DARTSNet, {'frozen_stages': 4}, ValueError, 'frozen_stages'),
    'argument': (DARTSNet, {'init_chanels': 8}, TypeError, 'init_chanels'),
    'no ops': (DARTSSuperNet, {'ops': ()}, ValueError, 'ops'),
    'only none': (DARTSSuperNet, {'ops': ('none',)}, ValueError, 'ops'),
    'an op twice': (DARTSSuperNet, {'ops': ('none', 'skip_connect') * 2}, ValueError, 'ops'),
    'an op of ppconv': (DARTSSuperNet, {'ops': ('conv_1x1',)}, ValueError, 'conv_1x1'),
    'combine': (DARTSSuperNet, {'combine': 'max'}, ValueError, 'combine'),
    'drop path': (DARTSSuperNet, {'drop_path_rate': 0.1}, TypeError, 'drop_path_rate'),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_arguments_are_named(case: str) -> None:
    cls, kwargs, error, pattern = WRONG[case]
    small = SMALL if cls is DARTSNet else {k: v for k, v in SMALL.items() if k != 'arch'}
    if case == 'odd width':  # only a FactorizedReduce has to halve the width
        small, kwargs = {**small, 'arch': 'darts_v1'}, {**kwargs, 'variant': 'imagenet'}
    with pytest.raises(error, match=pattern) as info:
        on_meta(cls, **{**small, **kwargs})
    assert '\n' not in str(info.value)


def test_every_reduction_halves_both_inputs() -> None:
    net = DARTSNet(**{**SMALL, 'num_cells': 6})
    cells = [m for m in net.modules() if isinstance(m, CellBlock)]
    halved = [isinstance(cell.preprocess0, FactorizedReduce) for cell in cells]
    kinds = ['normal', 'normal', 'reduction', 'normal', 'reduction', 'normal']
    assert [cell.kind for cell in cells] == kinds
    assert halved == [False, False, False, True, False, True]
