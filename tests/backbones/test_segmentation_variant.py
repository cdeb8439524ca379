"""The DARTS macro network for segmentation (EoiNAS, Table IV): stem, strides, sizes, super-net."""

import json
from typing import Any

import pytest
import torch
from super_nets import derive, random_paths
from torch import nn
from zoo import build_super_net, images

from ppnas_mm.backbones import DARTSNet
from ppnas_mm.backbones.darts import CellBlock
from ppnas_mm.genotype import GENOTYPE_DIR
from ppnas_mm.layers.ops import FactorizedReduce
from ppnas_mm.spaces import DARTSSuperNet, Fixed

PLACES = {'table': None, 'code': (3, 6)}
"""Where the two reduction cells of ten stand: as in Table IV (3, 7), or in the authors' code."""
GN = {'type': 'GN', 'num_groups': 8}
CELLS = ('eoinas_cityscapes', 'darts_v2')


def network(width: int, arch: str = CELLS[0], **kwargs: Any) -> Any:
    """The ten cells, without memory."""
    with torch.device('meta'):
        return DARTSNet(
            arch=arch, variant='segmentation', num_cells=10, init_channels=width, **kwargs
        )


def cells_of(net: nn.Module) -> list[Any]:
    return [m for m in net.modules() if isinstance(m, CellBlock)]


@pytest.mark.parametrize(('width', 'channels'), [(40, [160, 320, 640]), (48, [192, 384, 768])])
@pytest.mark.parametrize('place', PLACES)
def test_maps_are_those_of_table_iv(width: int, channels: list[int], place: str) -> None:
    net = network(width, reductions=PLACES[place])
    assert [info['reduction'] for info in net.feature_info] == [4, 8, 16]
    assert net.out_channels == channels
    maps = net(torch.zeros(1, 3, 320, 320, device='meta'))
    sides = (80, 40, 20)
    expected = [(c, side, side) for c, side in zip(channels, sides, strict=True)]
    assert [m.shape[1:] for m in maps] == expected
    cuts = [i for i, cell in enumerate(cells_of(net)) if cell.kind == 'reduction']
    assert cuts == {'table': [3, 7], 'code': [3, 6]}[place]
    assert net.stem_blocks == ['stem', 'layer1.0']
    assert net.reduction_blocks == ['layer2.0', 'layer3.0']


@pytest.mark.parametrize('place', PLACES)
def test_the_first_cell_reads_strides_2_and_4(place: str) -> None:
    net = network(40, reductions=PLACES[place])
    cells, seen = cells_of(net), []
    for cell in cells:
        cell.register_forward_pre_hook(lambda m, given: seen.append([x.shape[1:] for x in given]))
    net(torch.zeros(1, 3, 320, 320, device='meta'))
    assert seen[:2] == [[(20, 160, 160), (40, 80, 80)], [(40, 80, 80), (160, 80, 80)]]
    halved = [isinstance(cell.preprocess0, FactorizedReduce) for cell in cells]
    after = [True, *(cell.kind == 'reduction' for cell in cells[:-1])]
    assert halved == after


def parameters(op: str, width: int, stride: int) -> int:
    """Parameters of one operation, by arithmetic; a norm has two for each channel."""
    kind, side = op.rsplit('_', 1)[0], int(op[-1]) if op[-1].isdigit() else 0
    unit = side * side * width + width * width + 2 * width
    skip = width * width + 2 * width if stride == 2 else 0
    return {'sep_conv': 2 * unit, 'dil_conv': unit, 'skip': skip}.get(kind, 0)


@pytest.mark.parametrize('arch', CELLS)
@pytest.mark.parametrize('place', PLACES)
def test_parameters_by_arithmetic(arch: str, place: str) -> None:
    cells = json.loads((GENOTYPE_DIR / f'{arch}.json').read_text())['cells']
    edges = {cell['name']: [e for node in cell['nodes'] for e in node] for cell in cells}
    width, cuts = 48, {'table': (3, 7), 'code': (3, 6)}[place]
    half, before, last = width // 2, width // 2, width
    total = sum(9 * a * b + 2 * b for a, b in ((3, half), (half, half), (half, width)))
    for index in range(10):
        kind = 'reduction' if index in cuts else 'normal'
        width *= 2 if index in cuts else 1
        total += (before + last) * width + 4 * width
        for edge in edges[kind]:
            stride = 2 if kind == 'reduction' and edge['sources'][0] < 2 else 1
            total += parameters(edge['op'], width, stride)
        before, last = last, 4 * width
    net = network(48, arch, reductions=PLACES[place], norm_cfg=GN)
    assert sum(p.numel() for p in net.parameters()) == total


@pytest.mark.parametrize('arch', CELLS)
def test_retrains_with_group_norms(arch: str) -> None:
    small = {'variant': 'segmentation', 'num_cells': 4, 'init_channels': 16, 'norm_cfg': GN}
    net = DARTSNet(arch=arch, **small).train()
    norms = [
        m for m in net.modules() if isinstance(m, (nn.GroupNorm, nn.modules.batchnorm._NormBase))
    ]
    assert norms and all(isinstance(m, nn.GroupNorm) and m.num_groups == 8 for m in norms)
    x = images(2, 3, 32, 32)
    maps = net(x)
    sum((m * m).mean() for m in maps).backward()
    assert not [n for n, p in net.named_parameters() if p.grad is None]
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    # no statistics of the batch: an image alone gives the same
    torch.testing.assert_close(net(x[:1]), tuple(m[:1] for m in maps), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('reductions', [None, (1, 3)])
def test_derived_networks_compute_the_one_hot_forward(reductions: Any) -> None:
    net = build_super_net(
        'darts', variant='segmentation', num_cells=4, reductions=reductions, pool_norm=True
    )
    assert isinstance(net, DARTSSuperNet)
    x = images(2, 3, 32, 32)
    for path in random_paths(net, 6):
        net.mixture = Fixed(path)
        derived: Any = derive(net, net.to_genotype(path))
        with torch.no_grad():
            torch.testing.assert_close(derived(x), net(x), rtol=1e-5, atol=1e-5)
        assert derived.feature_info == net.feature_info
