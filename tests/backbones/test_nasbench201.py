"""NAS-Bench-201: macro, cells and their mixture against published sizes and plain formulas."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from nb201 import MIXED, OPS, text_of
from plain import State, double_state
from torch import Tensor, nn
from torch.nn.functional import conv2d
from zoo import images, scramble

from ppnas_mm.backbones import NASBench201Net
from ppnas_mm.genotype import GenotypeError
from ppnas_mm.spaces import Fixed, NASBench201SuperNet
from ppnas_mm.tables import NASBench201Table

EDGES = [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]


def norm(state: State, key: str, x: Tensor) -> Tensor:
    mean, variance = (state[f'{key}.running_{n}'].reshape(1, -1, 1, 1) for n in ('mean', 'var'))
    x = (x - mean) / (variance + 1e-5).sqrt()
    if f'{key}.weight' not in state:
        return x
    gamma, beta = (state[f'{key}.{n}'].reshape(1, -1, 1, 1) for n in ('weight', 'bias'))
    return x * gamma + beta


def unit(state: State, key: str, x: Tensor, stride: int = 1) -> Tensor:
    """ReLU, convolution, batch norm."""
    weight = state[f'{key}.conv.weight']
    y = conv2d(x * (x > 0), weight, None, stride, weight.shape[-1] // 2)
    return norm(state, f'{key}.bn', y)


def windows(x: Tensor, before: int, after: int, step: int) -> Tensor:
    """Mean over the pixels that exist from ``before`` to ``after`` of every ``step``-th pixel."""
    height, width = x.shape[-2:]
    rows = [
        [
            x[..., max(i - before, 0) : i + after + 1, max(j - before, 0) : j + after + 1].mean(
                (2, 3)
            )
            for j in range(0, width, step)
        ]
        for i in range(0, height, step)
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def operation(state: State, key: str, op: str, x: Tensor) -> Tensor:
    if op == 'none':
        return torch.zeros_like(x)
    if op == 'skip_connect':
        return x
    return windows(x, 1, 1, 1) if op == 'avg_pool_3x3' else unit(state, key, x)


def derived_cell(state: State, key: str, x: Tensor, ops: list[str]) -> Tensor:
    nodes: list[Any] = [x, 0, 0, 0]
    for op, (node, source) in zip(ops, EDGES, strict=True):
        place = f'{key}.dag.nodes.{node - 1}.{source}'  # edge k of a node reads node k
        nodes[node] = nodes[node] + operation(state, place, op, nodes[source])
    return nodes[3]


def mixed_cell(state: State, key: str, x: Tensor, logits: dict, ops: tuple[str, ...]) -> Tensor:
    nodes: list[Any] = [x, 0, 0, 0]
    for node, source in EDGES:
        alpha = logits[f'cell/node{node}/op{source}']
        total = sum(alpha.exp())
        for op, value in zip(ops, alpha, strict=True):
            place = f'{key}.dag.nodes.{node - 1}.{source}.{op}'
            y = operation(state, place, op, nodes[source])
            nodes[node] = nodes[node] + value.exp() / total * y
    return nodes[3]


def network(
    state: State, x: Tensor, cells: int, last_act: bool, cell: Callable[[str, Tensor], Tensor]
) -> list[Tensor]:
    """Maps of the three stages."""
    x = norm(state, 'stem.0.bn', conv2d(x, state['stem.0.conv.weight'], None, 1, 1))
    maps = []
    for stage in ('layer1', 'layer2', 'layer3'):
        first = 0
        if stage != 'layer1':
            y = unit(state, f'{stage}.0.conv2', unit(state, f'{stage}.0.conv1', x, stride=2))
            x = conv2d(windows(x, 0, 1, 2), state[f'{stage}.0.shortcut.1.weight']) + y
            first = 1
        for i in range(first, first + cells):
            x = cell(f'{stage}.{i}', x)
        if stage == 'layer3' and last_act:
            x = norm(state, f'layer3.{cells + 1}.0', x)
            x = x * (x > 0)
        maps.append(x)
    return maps


# -- networks --------------------------------------------------------------------------------------


def size_and_cost(cell: str, classes: int = 10) -> tuple[int, int]:
    """Parameters, and multiply-adds on 32x32 pixels, with a linear classifier."""
    net = NASBench201Net(NASBench201Table.decode(cell).to_dict())
    cost = []

    def count(module: nn.Conv2d, _: Any, y: Tensor) -> None:
        cost.append(module.weight.numel() * y.shape[2] * y.shape[3])

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    (*_, y) = net.eval()(images(1, 3, 32, 32))
    assert y.shape == (1, 64, 8, 8)
    head = 65 * classes
    return sum(p.numel() for p in net.parameters()) + head, sum(cost) + head


def test_size_and_cost_are_those_of_the_benchmark() -> None:
    """The least and largest parameters and FLOPs that NAS-Bench-201 prints for CIFAR-10, -100."""
    assert size_and_cost(text_of(['none'] * 6)) == (73_306, 7_783_050)
    assert size_and_cost(text_of(['nor_conv_3x3'] * 6)) == (1_531_546, 220_119_690)
    assert size_and_cost(text_of(['none'] * 6), 100) == (79_156, 7_788_900)
    # 1.073 M and 153.27 M, four 3x3 and one 1x1: both optima of CIFAR-10
    for spot in (4, 5):
        ops = ['nor_conv_3x3'] * 6
        ops[3], ops[spot] = 'skip_connect', 'nor_conv_1x1'
        assert size_and_cost(text_of(ops)) == (1_073_466, 153_272_970)


@pytest.mark.parametrize(
    'cell', [MIXED, text_of(['nor_conv_3x3'] * 3 + ['skip_connect', *['nor_conv_3x3'] * 2])]
)
def test_parameters_follow_the_formula(cell: str) -> None:
    def conv(kernel: int, a: int, b: int) -> int:
        return kernel * kernel * a * b + 2 * b

    expected = conv(3, 3, 16) + 2 * 64 + 650
    for c in (16, 32, 64):
        expected += 5 * (
            cell.count('nor_conv_3x3') * conv(3, c, c) + cell.count('nor_conv_1x1') * conv(1, c, c)
        )
        if c > 16:
            expected += conv(3, c // 2, c) + conv(3, c, c) + c // 2 * c
    assert size_and_cost(cell)[0] == expected


@pytest.mark.parametrize('last_act', [True, False])
@pytest.mark.parametrize('affine', [True, False])
def test_derived_network_is_the_plain_formula(last_act: bool, affine: bool) -> None:
    options: Any = dict(cells_per_stage=2, init_channels=4, last_act=last_act)
    options['norm_cfg'] = dict(type='BN', affine=affine)
    x = images(2, 3, 9, 11, dtype=torch.float64)
    for ops in (re.findall(r'\|(\w+)~', MIXED), ['avg_pool_3x3'] * 6, [*OPS[1:], *OPS[2:4]]):
        arch = NASBench201Table.decode(text_of(ops))
        net = scramble(NASBench201Net(arch, **options)).double().eval()
        state = double_state(net)

        def cell(key: str, y: Tensor, state: State = state, ops: list[str] = ops) -> Tensor:
            return derived_cell(state, key, y, ops)

        expected = network(state, x, 2, last_act, cell)
        torch.testing.assert_close(list(net(x)), expected, rtol=1e-9, atol=1e-9)
        # outside of the cells all norms learn
        learned = {k.rsplit('.', 1)[0] for k in state if k.endswith(('bn.weight', '.0.weight'))}
        assert {'stem.0.bn', 'layer2.0.conv1.bn', 'layer3.0.conv2.bn'} <= learned
        assert ('layer3.3.0' in learned) == last_act
        assert any('.dag.' in k for k in learned) == (affine and 'nor_conv' in text_of(ops))


def test_mixed_network_is_the_plain_formula_with_its_gradients() -> None:
    net: Any = NASBench201SuperNet(cells_per_stage=1, init_channels=4)
    scramble(net).double().eval()
    generator = torch.Generator().manual_seed(4)
    for parameter in net.arch_parameters().values():
        assert len(parameter) == 5
        parameter.data = torch.randn(5, generator=generator, dtype=torch.float64)
    logits = {n: p.detach().clone().requires_grad_() for n, p in net.arch_parameters().items()}
    assert list(logits) == [f'cell/node{node}/op{source}' for node, source in EDGES]
    state = double_state(net)
    assert not [k for k in state if '.dag.' in k and k.endswith('bn.weight')]
    x = images(2, 3, 8, 8, dtype=torch.float64)
    expected = network(state, x, 1, True, lambda k, y: mixed_cell(state, k, y, logits, OPS))
    maps = net(x)
    torch.testing.assert_close(list(maps), expected, rtol=1e-9, atol=1e-9)
    for outputs in (maps, expected):
        sum((m * m).mean() for m in outputs).backward()
    for name, parameter in net.arch_parameters().items():
        torch.testing.assert_close(parameter.grad, logits[name].grad, rtol=1e-8, atol=1e-10)


def test_choices_and_blocks() -> None:
    net: Any = NASBench201SuperNet(cells_per_stage=1, init_channels=4, last_act=False)
    assert all(c.candidates == OPS and not c.gates for c in net.choices.values())
    assert net.stem_blocks == ['stem'] and net.reduction_blocks == ['layer2.0', 'layer3.0']
    assert len(net.layer3) == 2
    for name in net.choices:
        assert net.keepable(name) == (0, 1, 2, 3, 4)
    for options in (dict(ops=('none',)), dict(ops=('max_pool_3x3',)), dict(cells_per_stage=0)):
        with pytest.raises(ValueError, match=r'ops=|cells_per_stage=0'):
            NASBench201SuperNet(**options)
    with pytest.raises(GenotypeError, match='NASBench201Net needs a nasbench201 genotype'):
        NASBench201Net('cdarts_cifar10')


def test_remarked_are_the_cells_that_ignore_their_input() -> None:
    """They are legal results (the benchmark has them), so nothing is raised."""
    net: Any = NASBench201SuperNet(cells_per_stage=1, init_channels=4).eval()
    x = images(2, 3, 8, 8)
    count = 0
    for mask in itertools.product((0, 1), repeat=6):
        path = {name: (i,) for name, i in zip(net.choices, mask, strict=True)}
        net.mixture = Fixed(path)
        with torch.no_grad():
            cell = net.layer1[0](x.repeat(1, 2, 1, 1)[:, :4], _edges(net))
        assert bool(net.remarks(path)) == bool((cell == 0).all())
        count += bool(net.remarks(path))
        net.check(path)
    assert 0 < count < 64
    assert "'none' cuts every way" in net.remarks(dict.fromkeys(net.choices, (0,)))[0]
    drawn = [net.random_genotype(np.random.default_rng(i)) for i in range(200)]
    assert not any(net.remarks(net.to_path(genotype)) for genotype in drawn)


def _edges(net: Any) -> Any:
    return {
        (choice.node, choice.source): ((choice.candidates[net.mixture.path[name][0]],), None)
        for name, choice in net.choices.items()
    }


def test_drop_path_drops_edges_but_not_skips() -> None:
    skips, convs = (
        NASBench201Net(
            NASBench201Table.decode(text_of([op] * 6)), cells_per_stage=1, init_channels=4,
            drop_path_rate=0.99,
        )
        for op in ('skip_connect', 'nor_conv_1x1')
    )  # fmt: skip
    x = torch.ones(4, 4, 5, 5)
    assert torch.equal(skips.layer1[0](x), 4 * x)  # four ways lead through the cell
    assert (convs.train().layer1[0](x) == 0).all()
