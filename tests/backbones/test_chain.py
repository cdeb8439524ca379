"""The chain space: CDARTS-a and -b by their sizes, blocks and mixtures by plain formulas."""

import re
from typing import Any

import pytest
import torch
from mmengine.config import ConfigDict
from plain import State, double_state, norm, same_conv
from torch import Tensor, nn
from zoo import SPACES, build_super_net, count_convolutions, images, scramble

from ppnas_mm.backbones import ChainNet
from ppnas_mm.genotype import SPACE_RULES, Genotype, GenotypeError
from ppnas_mm.layers.ops import ConvStyle, OpSpec, build_op, round_channels
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import ChainSuperNet, Fixed
from ppnas_mm.spaces.chain import CHAIN_OPS

CHOICES = [(3, 4), (3, 6), (5, 4), (5, 6), (7, 4), (7, 6)]
"""Kernel and expansion of the reference's choices 0 to 5."""

ARCHS = {
    'cdarts_a': ['3', '33', '313', '3333', '333'],
    'cdarts_b': ['3420', '5240', '43222', '1301', '2442'],
    'cdarts_b_4': ['3420', '5240', '4322', '1301', '2442'],
    'cdarts_b_fig7': ['3420', '5240', '4322', '1301', '4242'],
}
"""Choices of the five stages: Fig. 7a; the authors' code, with its repeated block and without;
Fig. 7b."""

SIZES = {
    'cdarts_a': (6.994, 297.7, 294.0),
    'cdarts_b': (6.465, 387.9, 384.7),
    'cdarts_b_4': (6.353, 376.2, 373.1),
    'cdarts_b_fig7': (6.344, 375.8, 372.7),
}
"""Parameters and multiply-adds in millions; the last without channel attention and last layer.

The paper prints 7.0 and 294 for CDARTS-a, 6.4 and 394 for CDARTS-b."""


def small(arch: Any = 'cdarts_a', **kwargs: Any) -> ChainNet:
    """A scrambled network of a quarter of the width, in evaluation mode."""
    kwargs = {'variant': 'cifar', 'width': 0.25, 'last_channels': 24, **kwargs}
    torch.manual_seed(0)
    return scramble(ChainNet(arch, **kwargs)).eval()


# -- what is published -----------------------------------------------------------------------------


@pytest.mark.parametrize('name', ARCHS)
def test_published_files_hold_the_references_choices(name: str) -> None:
    genotype = Genotype.load(name)
    assert genotype.space == 'chain'
    assert [cell.name for cell in genotype.cells] == [f'stage{s}' for s in range(1, 6)]
    for cell, digits in zip(genotype.cells, ARCHS[name], strict=True):
        expected = [CHOICES[int(digit)] for digit in digits]
        assert [edges[0].op for edges in cell.nodes] == [
            f'mbconv_{k}x{k}_e{e}_se' for k, e in expected
        ]
    assert genotype.provenance['caveat']


def multiply_adds(model: nn.Module, x: Tensor) -> dict[str, int]:
    """Multiply-adds of every convolution and linear layer for one image."""
    counts: dict[str, int] = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(
                lambda m, _, out, name=name: counts.update(
                    {name: out[0].numel() * m.weight[0].numel()}
                )
            )
    with torch.no_grad():
        model.eval()(x)
    return counts


@pytest.mark.parametrize('name', SIZES)
def test_sizes_are_the_printed_ones(name: str) -> None:
    import mmpretrain.models  # noqa: F401

    config = dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='ppnas_mm.ChainNet', arch=name),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(
            type='mmpretrain.StackedLinearClsHead',
            num_classes=1000,
            in_channels=960,
            mid_channels=[1280],
            dropout_rate=0.2,
            act_cfg=dict(type='SiLU'),
        ),
    )
    model: Any = MODELS.build(ConfigDict(config))
    parameters, whole, reduced = SIZES[name]
    assert f'{sum(p.numel() for p in model.parameters()) / 1e6:.3f}' == f'{parameters:.3f}'
    counts = multiply_adds(model, torch.zeros(1, 3, 224, 224))
    assert f'{sum(counts.values()) / 1e6:.1f}' == str(whole)
    counts = {
        k: v for k, v in counts.items() if '.attention.' not in k and 'head.layers.1' not in k
    }
    assert f'{sum(counts.values()) / 1e6:.1f}' == str(reduced)


def test_segmentations_trunk_has_the_counted_size() -> None:
    net = ChainNet('cdarts_b', last_channels=320)
    assert sum(p.numel() for p in net.parameters()) == 3_829_984


@pytest.mark.parametrize(
    ('channels', 'rounded'),
    [(4, 8), (8, 8), (12, 16), (36, 40), (20, 24), (11.9, 16), (10, 16), (17, 16), (240, 240)],
)
def test_channels_are_rounded_to_eights(channels: float, rounded: int) -> None:
    assert round_channels(channels) == rounded
    assert rounded >= 0.9 * channels


# -- plain formulas --------------------------------------------------------------------------------


def swish(x: Tensor) -> Tensor:
    """Swish."""
    return x / (1 + (-x).exp())


def unit(state: State, key: str, x: Tensor, stride: int = 1, act: bool = True) -> Tensor:
    """Convolution, norm and Swish."""
    x = norm(state, f'{key}.bn', same_conv(x, state[f'{key}.conv.weight'], stride))
    return swish(x) if act else x


def attend(state: State, key: str, x: Tensor) -> Tensor:
    """Channel attention, one image after another, as matrix products."""
    out = []
    for image in x:
        mean = image.flatten(1).sum(1) / image[0].numel()
        hidden = state[f'{key}.reduce.weight'][:, :, 0, 0] @ mean + state[f'{key}.reduce.bias']
        hidden = hidden.clamp(min=0)
        gate = state[f'{key}.expand.weight'][:, :, 0, 0] @ hidden + state[f'{key}.expand.bias']
        out.append(image * ((gate + 3) / 6).clamp(0, 1)[:, None, None])
    return torch.stack(out)


def block(state: State, key: str, x: Tensor, stride: int) -> Tensor:
    """An MBConv block, or a depthwise-separable one where the state has no expansion."""
    y = x
    if f'{key}.expand.conv.weight' in state:
        y = unit(state, f'{key}.expand', y)
    y = unit(state, f'{key}.depthwise', y, stride)
    y = attend(state, f'{key}.attention', y)
    y = unit(state, f'{key}.project', y, act=False)
    return x + y if stride == 1 and x.shape == y.shape else y


PLACES = {
    'stage1': ('layer1.0', 2),
    'stage2': ('layer2.0', 2),
    'stage3': ('layer3.0', 2),
    'stage4': ('layer3.1', 1),
    'stage5': ('layer4.0', 2),
}


def plain_network(
    state: State, cells: Any, x: Tensor, stem: int, weights: Any = None
) -> list[Tensor]:
    """The four maps; with ``weights`` (by choice and candidate), each block is their mixture."""
    x = block(state, 'stem.1', unit(state, 'stem.0', x, stem), 1)
    outputs = []
    for cell, depth in cells.items():
        place, first = PLACES[cell]
        for j in range(depth):
            stride, key = first if j == 0 else 1, f'{place}.nodes.{j}'
            if weights is None:
                x = block(state, key, x, stride)
            else:
                mixed = weights[f'{cell}/node{j + 1}/op']
                x = sum(
                    w * (x if op == 'identity' else block(state, f'{key}.{op}', x, stride))
                    for op, w in mixed.items()
                )
        if cell == 'stage5' and 'layer4.1.conv.weight' in state:
            x = unit(state, 'layer4.1', x)
        if cell != 'stage3':
            outputs.append(x)
    return outputs


@pytest.mark.parametrize(('variant', 'stem'), [('cifar', 1), ('imagenet', 2)])
@pytest.mark.parametrize('last', [24, None])
def test_derived_networks_are_the_plain_formula(variant: str, stem: int, last: int | None) -> None:
    net = small('cdarts_b', variant=variant, last_channels=last)
    cells = {cell.name: len(cell.nodes) for cell in net.genotype.cells}
    x = images(2, 3, 30, 34, dtype=torch.float64)
    expected = plain_network(double_state(net), cells, x, stem)
    for ours, theirs in zip(net.double()(x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_mixtures_are_the_plain_formula() -> None:
    net = build_super_net('chain').double()
    x, weights = images(2, 3, 16, 20, dtype=torch.float64), {}
    with torch.no_grad():
        for name, parameter in net.arch_parameters().items():
            parameter.copy_(torch.randn(len(parameter), dtype=torch.float64))
            e = [float(value.exp()) for value in parameter]
            ops = net.choices[name].candidates
            weights[name] = {op: value / sum(e) for op, value in zip(ops, e, strict=True)}
    cells = dict(zip(PLACES, SPACES['chain']['depths'], strict=True))
    expected = plain_network(double_state(net), cells, x, 1, weights)
    for ours, theirs in zip(net(x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('name', sorted(SPACE_RULES['chain'].ops - {'identity'}))
@pytest.mark.parametrize(('out_channels', 'stride'), [(16, 1), (24, 1), (16, 2)])
def test_operations_are_the_plain_formula(name: str, out_channels: int, stride: int) -> None:
    style = ConvStyle(act_cfg=dict(type='SiLU'))
    op = scramble(build_op(name, OpSpec(16, out_channels, style, stride))).eval().double()
    x = images(2, 16, 9, 10, dtype=torch.float64)
    before = x.clone()
    expected = block({f'op.{k}': v for k, v in double_state(op).items()}, 'op', x, stride)
    torch.testing.assert_close(op(x), expected, rtol=1e-10, atol=1e-10)
    assert torch.equal(x, before), 'the input belongs to the other candidates, too'
    kernel, expansion = map(int, re.findall(r'x(\d)_e(\d)', name)[0])
    assert op.depthwise.conv.kernel_size == (kernel, kernel)
    assert op.depthwise.conv.out_channels == 16 * expansion


# -- the network -----------------------------------------------------------------------------------


def test_maps_of_the_full_network() -> None:
    with torch.device('meta'):
        net = ChainNet('cdarts_b')
        maps = net(torch.zeros(1, 3, 224, 320))
    assert net.out_channels == [m.shape[1] for m in maps] == [24, 40, 96, 960]
    assert [224 // m.shape[2] for m in maps] == [320 // m.shape[3] for m in maps] == [4, 8, 16, 32]
    assert [info['reduction'] for info in net.feature_info] == [4, 8, 16, 32]


def test_weights_fit_whatever_the_stem() -> None:
    wide, fine = small(variant='imagenet'), small(variant='cifar')
    fine.load_state_dict(wide.state_dict())
    assert [i['reduction'] for i in fine.feature_info] == [2, 4, 8, 16]
    x = images(1, 3, 16, 16)
    assert [m.shape[-1] for m in fine(x)] == [8, 4, 2, 1]
    assert [m.shape[-1] for m in wide(x)] == [4, 2, 1, 1]


@pytest.mark.parametrize('make', [small, lambda: build_super_net('chain')])
def test_named_blocks_are_modules_of_falling_resolution(make: Any) -> None:
    net = make()
    assert net.stem_blocks == ['stem']
    names = [*net.stem_blocks, *net.reduction_blocks]
    sides: list[int] = []
    for name in names:
        net.get_submodule(name).register_forward_hook(lambda m, i, y: sides.append(y.shape[-1]))
    net(images(1, 3, 32, 32))
    assert sides == [32, 16, 8, 4, 2]


def test_drop_path_grows_along_the_blocks_and_spares_evaluation() -> None:
    net, plain = small(drop_path_rate=0.5), small()
    x = images(4, 3, 16, 16)
    torch.testing.assert_close(net(x), plain(x), rtol=0, atol=0)
    blocks = [b for n, b in net.named_modules() if re.fullmatch(r'layer\d\.\d\.nodes\.\d', n)]
    assert len(blocks) == 13
    for i, one in enumerate(blocks):
        rate = getattr(one.drop_path, 'drop_prob', 0)
        assert rate == pytest.approx(0.5 * i / 12)
    net.train()
    last = blocks[-1]
    y = images(64, last.expand.conv.in_channels, 2, 2)
    kept = (last(y) != y).flatten(1).any(1)
    assert 10 < int(kept.sum()) < 54


def test_only_candidates_kept_are_computed() -> None:
    net = build_super_net('chain')
    x = images(1, 3, 16, 16)
    whole = count_convolutions(net, x)
    net.mixture = Fixed(dict.fromkeys(net.choices, (0,)))
    single = count_convolutions(net, x)
    layers = sum(SPACES['chain']['depths'])
    assert whole - single == 5 * 5 * layers  # five convolutions each of the five others


def test_the_depth_of_a_stage_is_a_choice() -> None:
    with torch.device('meta'):
        net = ChainSuperNet()
    names = [f'mbconv_{k}x{k}_e{e}_se' for k, e in CHOICES]
    blocks = {cell: len(nodes) for cell, nodes in net.layout.items()}
    assert list(blocks.values()) == [4, 4, 5, 4, 4]
    for name, choice in net.choices.items():
        first = name.endswith('/node1/op')
        assert list(choice.candidates) == names + ([] if first else ['identity'])


@pytest.mark.parametrize('name', ARCHS)
def test_published_chains_are_paths_of_the_space(name: str) -> None:
    with torch.device('meta'):
        net = ChainSuperNet()
    path = net.to_path(Genotype.load(name))
    for stage, (digits, most) in enumerate(zip(ARCHS[name], (4, 4, 5, 4, 4), strict=True), 1):
        kept = [path[f'stage{stage}/node{n}/op'] for n in range(1, most + 1)]
        assert kept == [(int(d),) for d in digits] + [(6,)] * (most - len(digits))
    assert net.to_genotype(path) == Genotype.load(name)


def test_identities_between_blocks_stay_and_those_at_the_end_go() -> None:
    net = scramble(build_super_net('chain', 0, **{**SPACES['chain'], 'depths': (4, 2, 1, 1, 3)}))
    ops = {
        'stage1': (0, 6, 3, 6),
        'stage2': (5, 6),
        'stage3': (2,),
        'stage4': (1,),
        'stage5': (4, 6, 6),
    }
    path = {f'{s}/node{n}/op': (i,) for s, kept in ops.items() for n, i in enumerate(kept, 1)}
    genotype = net.to_genotype(path, {'note': 'x'})
    assert [len(cell.nodes) for cell in genotype.cells] == [3, 1, 1, 1, 1]
    assert [edges[0].op for edges in genotype.cells[0].nodes][1] == 'identity'
    assert genotype.provenance == {'note': 'x'} and net.to_path(genotype) == path
    config, weights = net.export(genotype)
    derived: Any = MODELS.build(config)
    derived.load_state_dict(weights)
    net.mixture = Fixed(path)
    x = images(2, 3, 16, 16)
    for ours, theirs in zip(derived.eval()(x), net.eval()(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_what_the_space_lacks_is_refused() -> None:
    with torch.device('meta'):
        shallow = ChainSuperNet(depths=(4, 4, 4, 4, 4))
        fixed = ChainSuperNet(ops=CHAIN_OPS[:-1])
    with pytest.raises(GenotypeError, match='stage3/node5'):
        shallow.to_path(Genotype.load('cdarts_b'))
    with pytest.raises(GenotypeError, match="stage1/node2/op: 'identity' is not among"):
        fixed.to_path(Genotype.load('cdarts_a'))


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'variant': 'tiny'}, 'variant='),
        ({'width': 0}, 'width=0'),
        ({'depths': (1, 1, 1)}, 'depths='),
        ({'depths': (1, 1, 0, 1, 1)}, 'depths='),
        ({'ops': ()}, 'ops='),
        ({'ops': ('mbconv_3x3_e4_se', 'conv_3x3')}, 'ops='),
        ({'ops': ('mbconv_3x3_e4_se',) * 2}, 'ops='),
        ({'out_indices': (4,)}, 'out_indices'),
    ],
)
def test_wrong_arguments_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message), torch.device('meta'):
        ChainSuperNet(**kwargs)


def test_foreign_genotypes_are_refused() -> None:
    with pytest.raises(GenotypeError, match='darts'):
        ChainNet('cdarts_cifar10')
    data = Genotype.load('cdarts_a').to_dict()
    data['cells'].pop()
    with pytest.raises(GenotypeError, match='stage5'):
        ChainNet(data)
