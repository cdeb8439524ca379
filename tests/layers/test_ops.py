"""Candidate operations against their plain formulas, and operations of one's own."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import plain
import pytest
import torch
from torch import nn
from zoo import build_super_net, images, scramble

from ppnas_mm.genotype import SPACE_RULES, Genotype
from ppnas_mm.layers.ops import (
    OPS,
    ConvStyle,
    FactorizedReduce,
    MBConv,
    OpSpec,
    build_op,
    register_op,
)
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed

SHAPE_KEEPING = ('identity',)
"""Operations of spaces whose blocks never change the resolution."""

STYLES = {
    'affine': ConvStyle(),
    'plain norms': ConvStyle(norm_cfg={'type': 'BN', 'affine': False}),
}


def test_every_operation_has_a_plain_formula() -> None:
    # tests/backbones/test_chain.py and tests/backbones/test_mobile.py hold the MBConv layers
    assert {op for op in OPS if not op.startswith('mbconv_')} == set(plain.OPS)
    assert set(OPS) == {'none'}.union(*(rule.ops for rule in SPACE_RULES.values()))


@pytest.mark.parametrize(('expansion', 'inner'), [(1, 8), (2, 16), (3, 24)])
def test_the_parameters_of_an_inverted_residual(expansion: int, inner: int) -> None:
    module = MBConv(OpSpec(8, 16, ConvStyle()), 5, expansion, attention=False)
    convolutions = (8 * inner if expansion > 1 else 0) + 25 * inner + 16 * inner
    norms = 2 * ((inner if expansion > 1 else 0) + inner + 16)
    assert sum(p.numel() for p in module.parameters()) == convolutions + norms
    x = torch.zeros(1, 8, 6, 6)
    assert module(x).shape == (1, 16, 6, 6) and not module.residual


def inputs(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


CASES = [(op, s) for op in sorted(plain.OPS) for s in (1, 2) if s == 1 or op not in SHAPE_KEEPING]


@pytest.mark.parametrize('style', STYLES)
@pytest.mark.parametrize(('op', 'stride'), CASES)
def test_operations_compute_the_plain_formula(op: str, stride: int, style: str) -> None:
    spec = OpSpec(6, 6, STYLES[style], stride=stride)
    module = scramble(build_op(op, spec)).double().eval()
    state = {f'op.{key}': value for key, value in plain.double_state(module).items()}
    for height, width in ((8, 6), (9, 7), (8, 5), (7, 10), (2, 1), (1, 1)):
        x = inputs(2, 6, height, width)
        expected = plain.OPS[op](state, 'op', x, stride, 1)
        assert expected.shape == (2, 6, -(-height // stride), -(-width // stride))
        torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('dilation', [1, 2, 4])
@pytest.mark.parametrize('op', sorted(plain.OPS))
def test_operations_follow_the_dilation(op: str, dilation: int) -> None:
    module = scramble(build_op(op, OpSpec(6, 6, ConvStyle(), dilation=dilation))).double().eval()
    state = {f'op.{key}': value for key, value in plain.double_state(module).items()}
    x = inputs(2, 6, 9, 5)
    expected = plain.OPS[op](state, 'op', x, 1, dilation)
    assert expected.shape == x.shape
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('op', ['max_pool_3x3', 'avg_pool_3x3'])
def test_pools_may_be_followed_by_a_norm_without_parameters(op: str, stride: int) -> None:
    module = build_op(op, OpSpec(6, 6, ConvStyle(), stride=stride, pool_norm=True))
    assert not list(module.parameters())
    scramble(module).double().eval()
    state = {f'op.{key}': value for key, value in plain.double_state(module).items()}
    x = inputs(2, 6, 9, 8)
    expected = plain.OPS[op](state, 'op', x, stride, 1)
    assert not torch.equal(expected, plain.OPS[op]({}, 'op', x, stride, 1))
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-12)


def test_a_shortcut_is_the_input_or_a_convolution_without_activation() -> None:
    assert isinstance(build_op('shortcut', OpSpec(4, 4, ConvStyle())), nn.Identity)
    for spec in (OpSpec(4, 8, ConvStyle()), OpSpec(4, 4, ConvStyle(), stride=2)):
        module = scramble(build_op('shortcut', spec)).double().eval()
        assert {p.shape for p in module.parameters() if p.ndim == 4} == {
            (spec.out_channels, 4, 1, 1)
        }
        state = {f'op.{key}': value for key, value in plain.double_state(module).items()}
        x = inputs(2, 4, 7, 6)
        expected = plain.conv(state, 'op', x, spec.stride, act=False)
        assert float(expected.min()) < 0
        torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-12)


def test_a_skip_between_other_widths_is_a_factorized_reduce() -> None:
    assert isinstance(build_op('skip_connect', OpSpec(4, 4, ConvStyle())), nn.Identity)
    module = build_op('skip_connect', OpSpec(4, 8, ConvStyle(), stride=2))
    assert isinstance(module, FactorizedReduce) and module(images(1, 4, 5, 6)).shape[1] == 8
    with pytest.raises(ValueError, match='out_channels=7'):
        FactorizedReduce(4, 7, ConvStyle())


@pytest.mark.parametrize('stride', [1, 2])
def test_none_has_no_gradient_and_no_infinity(stride: int) -> None:
    module = build_op('none', OpSpec(4, 4, ConvStyle(), stride=stride))
    x = torch.full((1, 4, 5, 6), torch.inf, requires_grad=True)
    out = module(x)
    assert (out == 0).all() and not out.requires_grad


@pytest.mark.parametrize('op', sorted(OPS))
def test_operations_leave_their_input_alone(op: str) -> None:
    module = build_op(op, OpSpec(8, 8, ConvStyle()))
    x = images(2, 8, 6, 6)
    before = x.clone()
    module(x)
    assert torch.equal(x, before)


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(KeyError, match='conv_9x9'):
        build_op('conv_9x9', OpSpec(4, 4, ConvStyle()))


# -- operations of one's own -----------------------------------------------------------------------


def conv_pair(spec: OpSpec) -> nn.Module:
    style, width = spec.style, spec.out_channels
    return nn.Sequential(
        style.conv(spec.in_channels, width, 3, stride=spec.stride), style.conv(width, width, 3)
    )


@pytest.fixture
def tables() -> Iterator[None]:
    """Undo what a test registers."""
    ops, rules = dict(OPS), {name: set(rule.ops) for name, rule in SPACE_RULES.items()}
    yield
    OPS.clear()
    OPS.update(ops)
    for name, before in rules.items():
        SPACE_RULES[name].ops.intersection_update(before)


def search_with(space: str, ops: tuple[str, ...]) -> set[str]:
    """Derive three architectures of a super-net; return the operations that occurred."""
    net: Any = build_super_net(space, ops=ops)
    found: set[str] = set()
    for seed in range(3):
        path = net.to_path(net.random_genotype(np.random.default_rng(seed), constrained=False))
        net.mixture = Fixed(path)
        genotype = Genotype.from_json(net.to_genotype(path).to_json())
        found.update(e.op for cell in genotype.cells for node in cell.nodes for e in node)
        config, weights = net.export(genotype)
        derived = MODELS.build(config).eval()
        assert sorted(derived.state_dict()) == sorted(weights)
        derived.load_state_dict(weights)
        x = images(1, 3, 16, 16)
        torch.testing.assert_close(derived(x), net(x), rtol=1e-5, atol=1e-5)
    return found


@pytest.mark.usefixtures('tables')
@pytest.mark.parametrize('name', ['conv_pair', 'ConvPair2', 'conv-pair', 'conv.pair', 'conv pair'])
def test_an_operation_of_ones_own_is_searched_and_derived(name: str) -> None:
    try:
        register_op(name, conv_pair, 'ppconv')
    except ValueError:
        assert not name.isidentifier()
        return
    register_op('max_pool', lambda spec: nn.MaxPool2d(3, spec.stride, 1), 'ppconv')
    assert search_with('ppconv', ('identity', 'max_pool', name)) == {'identity', 'max_pool', name}


@pytest.mark.usefixtures('tables')
def test_an_operation_of_ones_own_works_in_every_space(space: str) -> None:
    register_op('conv_pair', conv_pair, space)
    other = sorted(SPACE_RULES[space].ops - {'conv_pair', 'identity', 'none'})[0]
    assert search_with(space, (other, 'conv_pair')) == {other, 'conv_pair'}


@pytest.mark.usefixtures('tables')
def test_an_operation_is_registered_once_and_for_a_space() -> None:
    register_op('conv_pair', conv_pair, 'ppconv')
    assert 'conv_pair' in SPACE_RULES['ppconv'].ops
    with pytest.raises(KeyError, match='conv_pair'):
        register_op('conv_pair', conv_pair, 'ppconv')
    with pytest.raises(KeyError, match='nowhere'):
        register_op('another', conv_pair, 'nowhere')
    assert 'another' not in OPS
