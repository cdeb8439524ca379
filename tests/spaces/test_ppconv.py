"""The PPConv space: its size, equations 1 and 2, its options."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plain
import pytest
import torch
from torch import Tensor, nn
from zoo import SPACES, build_super_net, images, scramble

from ppnas_mm.genotype import SPACE_RULES, Genotype, GenotypeError
from ppnas_mm.layers.ops import OPS, ConvStyle
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed, PPConvSuperNet
from ppnas_mm.spaces.ppconv import MixedPPConv


def on_meta(**kwargs: Any) -> PPConvSuperNet:
    with torch.device('meta'):
        return PPConvSuperNet(**kwargs)


def sizes(net: PPConvSuperNet) -> tuple[int, int]:
    """Numbers of connection parameters and of operation parameters."""
    gates = sum(len(c.candidates) for c in net.choices.values() if c.gates)
    ops = sum(len(c.candidates) for c in net.choices.values() if not c.gates)
    assert gates + ops == sum(p.numel() for p in net.arch_parameters().values())
    return gates, ops


@pytest.mark.parametrize(('macro', 'depth', 'stages'), [('cifar', 110, 3), ('imagenet', 50, 4)])
def test_a_stage_has_22_connections_and_4_operations(macro: str, depth: int, stages: int) -> None:
    assert sizes(on_meta(macro=macro, depth=depth)) == (22 * stages, 4 * 3 * stages)
    every = sorted(SPACE_RULES['ppconv'].ops)
    net = on_meta(macro=macro, depth=depth, ops=every)
    assert len(every) >= 7
    assert sizes(net) == (22 * stages, 4 * len(every) * stages)
    assert {choice.cell for choice in net.choices.values()} == {
        f'stage{s + 1}' for s in range(stages)
    }


def test_a_stage_without_a_block_to_search_is_refused() -> None:
    """One block a stage: it changes the width or the resolution, and is none of the space."""
    with pytest.raises(ValueError, match='depth=11: layer1 has no block to search'):
        on_meta(macro='cifar', depth=11)


@pytest.mark.parametrize('groups', [2, 3, 5])
def test_the_number_of_groups_is_free(groups: int) -> None:
    net = build_super_net('ppconv', groups=groups)
    connections = sum(groups + j for j in range(groups))
    assert sizes(net) == (3 * connections, 3 * groups * len(SPACE_RULES['ppconv'].ops))
    path = net.to_path(net.random_genotype(np.random.default_rng(0)))
    net.mixture = Fixed(path)
    config, weights = net.export(net.to_genotype(path))
    derived = MODELS.build(config).eval()
    derived.load_state_dict(weights)
    x = images(1, 3, 16, 16)
    torch.testing.assert_close(derived(x), net(x), rtol=1e-5, atol=1e-5)
    with pytest.raises(GenotypeError):
        net.to_path(Genotype.load('pp_resnet_cifar10'))


def test_the_published_architecture_is_in_the_space() -> None:
    net = build_super_net('ppconv')
    genotype = Genotype.load('pp_resnet_cifar10')
    assert net.to_genotype(net.to_path(genotype)) == genotype
    with pytest.raises(GenotypeError):
        net.to_path(Genotype.load('pp_resnet_imagenet'))
    without = build_super_net('ppconv', ops=('identity', 'conv_1x1'))
    with pytest.raises(GenotypeError, match='conv_3x3'):
        without.to_path(genotype)


# -- equations 1 and 2 -----------------------------------------------------------------------------


def mixed(
    state: plain.State, x: Tensor, ops: Sequence[str], alpha: list, beta: list, dilation: int = 1
) -> Tensor:
    """Equations 1 and 2 as loops; alpha and beta hold one list a node."""
    groups = len(alpha)
    width = x.shape[1] // groups
    nodes = [x[:, g * width : (g + 1) * width] for g in range(groups)]
    for j in range(groups):
        total, weight = torch.zeros_like(nodes[0]), 0.0
        for i in range(groups + j):
            sigma = 1 / (1 + math.exp(-alpha[j][i]))
            total, weight = total + sigma * nodes[i], weight + sigma
        y = total / weight
        scale = sum(math.exp(b) for b in beta[j])
        output = torch.zeros_like(y)
        for b, op in zip(beta[j], ops, strict=True):
            value = plain.OPS[op](state, f'nodes.{j}.{op}', y, 1, dilation)
            output = output + math.exp(b) / scale * value
        nodes.append(output)
    return torch.cat(nodes[groups:], 1)


@pytest.mark.parametrize('groups', [1, 3, 4])
@pytest.mark.parametrize('seed', [0, 1])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_the_mixed_block_computes_equations_1_and_2(
    groups: int, seed: int, layout: torch.memory_format
) -> None:
    ops = sorted(SPACE_RULES['ppconv'].ops)
    net = PPConvSuperNet(depth=20, groups=groups, ops=ops).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.arch_parameters().values():
            parameter.copy_(2 * torch.randn(parameter.shape, generator=generator))
    pruned = {groups: 0, groups + 1: groups} if groups > 1 else {}  # node: what it does not read
    for node, source in pruned.items():
        net.prune(f'stage2/node{node}/inputs', source)
    stage = net.cell_weights()['stage2']
    block = (
        scramble(MixedPPConv('stage2', groups, ops, 5 * groups, 2, ConvStyle()), seed)
        .double()
        .eval()
    )
    x = images(2, 5 * groups, 9, 7, dtype=torch.float64).contiguous(memory_format=layout)
    arch = net.arch_parameters()
    alpha = [arch[f'stage2/node{j}/inputs'].tolist() for j in range(groups, 2 * groups)]
    for node, source in pruned.items():
        alpha[node - groups][source] = -math.inf
    beta = [arch[f'stage2/node{j}/op'].tolist() for j in range(groups, 2 * groups)]
    expected = mixed(plain.double_state(block), x, ops, alpha, beta, dilation=2)
    torch.testing.assert_close(block(x, stage), expected, rtol=1e-9, atol=1e-9)


def test_the_super_net_mixes_every_block_of_a_stage_alike() -> None:
    net = build_super_net('ppconv', depth=29)
    with torch.no_grad():
        for parameter in net.arch_parameters().values():
            parameter.normal_(std=2)
    blocks = {m: n for n, m in net.named_modules() if isinstance(m, MixedPPConv)}
    assert len(blocks) == 3 * 2
    seen: dict[str, list] = {}

    def record(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        stage = blocks[module].split('.')[0].replace('layer', 'stage')
        alpha, beta = (
            [net.arch[f'{stage}/node{j}/{kind}'].tolist() for j in range(4, 8)]
            for kind in ('inputs', 'op')
        )
        state = plain.double_state(module)
        expected = mixed(state, inputs[0].double(), module.ops, alpha, beta)
        seen.setdefault(stage, []).append((output, expected))

    for module in blocks:
        module.register_forward_hook(record)
    with torch.no_grad():
        net(images(1, 3, 16, 16))
    assert sorted(seen) == ['stage1', 'stage2', 'stage3']
    for results in seen.values():
        assert len(results) == 2
        for output, expected in results:
            torch.testing.assert_close(output.double(), expected, rtol=1e-4, atol=1e-4)


# -- options --------------------------------------------------------------------------------------


WRONG = {
    'macro': ({'macro': 'imagnet'}, ValueError, 'imagnet'),
    'no ops': ({'ops': ()}, ValueError, 'ops'),
    'an op twice': ({'ops': ('identity', 'identity')}, ValueError, 'ops'),
    'an unknown op': ({'ops': ('identity', 'conv_9x9')}, ValueError, 'conv_9x9'),
    'no groups': ({'groups': 0}, ValueError, 'groups'),
    'negative groups': ({'groups': -1}, ValueError, 'groups'),
    'depth': ({'depth': 50}, ValueError, 'depth=50'),
    'argument': ({'base_chanels': 8}, TypeError, 'base_chanels'),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_arguments_are_named(case: str) -> None:
    kwargs, error, pattern = WRONG[case]
    with pytest.raises(error, match=pattern):
        on_meta(**{'depth': 20, **kwargs})


def test_an_op_of_another_space_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, 'elsewhere', OPS['identity'])
    with pytest.raises(ValueError, match='elsewhere'):
        on_meta(depth=20, ops=('identity', 'elsewhere'))


def identities(genotype: Genotype) -> list[int]:
    return [sum(e.op == 'identity' for edges in c.nodes for e in edges) for c in genotype.cells]


def test_random_architectures_have_one_identity_a_stage() -> None:
    net = build_super_net('ppconv')
    rng = np.random.default_rng(0)
    places = set()
    for _ in range(60):
        genotype = net.random_genotype(rng)
        assert identities(genotype) == [1, 1, 1]
        ops = [e.op for c in genotype.cells for edges in c.nodes for e in edges]
        assert ops.count('conv_3x3') == 9  # as the authors drew them
        first = genotype.cells[0].nodes
        places |= {j for j, (edge,) in enumerate(first) if edge.op == 'identity'}
    assert places == {0, 1, 2, 3}
    drawn = [net.random_genotype(rng, free=True) for _ in range(40)]
    ops = [e.op for g in drawn for c in g.cells for edges in c.nodes for e in edges]
    assert set(ops) == set(SPACES['ppconv']['ops'])  # free draws take any
    assert {n for g in drawn for n in identities(g)} >= {0, 1, 2}
    without = build_super_net('ppconv', ops=('conv_1x1', 'conv_3x3'))
    assert identities(without.random_genotype(rng)) == [0, 0, 0]
    only = build_super_net('ppconv', ops=('identity',))
    assert identities(only.random_genotype(rng)) == [4, 4, 4]
