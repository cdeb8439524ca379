"""The mobile space: Table 2 of SE-NAS, sizes of ProxylessNAS-GPU, blocks by plain formulas."""

import math
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from plain import State, double_state, norm, same_conv
from tasks import TASKS
from torch import Tensor, nn
from zoo import SPACES, build_super_net, count_multiplications, images, scramble

from ppnas_mm.backbones import MobileNASNet
from ppnas_mm.genotype import SPACE_RULES, Genotype, GenotypeError
from ppnas_mm.layers.ops import ConvStyle, OpSpec, build_op
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed, MobileSuperNet
from ppnas_mm.spaces.mobile import MOBILE_GROUPED_OPS, MOBILE_OPS

TABLE_2 = [
    (1, 32, 4, 2, 112),
    (2, 56, 4, 2, 56),
    (3, 112, 4, 2, 28),
    (4, 128, 4, 1, 14),
    (5, 256, 4, 2, 14),
    (6, 432, 1, 1, 7),
]
"""Stage, channels, layers, stride of the first and side of the input, of the searched layers."""

PROXYLESS = [
    '5x5_e3 - - -',
    '7x7_e3 - - 3x3_e3',
    '7x7_e6 - - 5x5_e3',
    '5x5_e6 - 3x3_e3 5x5_e3',
    '7x7_e6 7x7_e6 7x7_e6 5x5_e6',
    '7x7_e6',
]
"""ProxylessNAS-GPU, stage by stage; - is the identity."""

DEMO: dict[str, Any] = {
    'variant': 'cifar',
    'strides': (1, 2, 2, 1, 1, 1),
    'width': 0.25,
    'depths': (2, 2, 2, 2, 2, 1),
    'last_channels': 128,
}
"""For images of 32 x 32."""

KERNELS_AND_EXPANSIONS = r'mbconv_(\d)x\d_e(\d)(_g2)?$'


def small(**kwargs: Any) -> MobileNASNet:
    """A scrambled network of a quarter of the width, in evaluation mode."""
    kwargs = {'variant': 'cifar', 'width': 0.25, 'last_channels': 24, **kwargs}
    torch.manual_seed(0)
    return scramble(MobileNASNet('proxylessnas_gpu', **kwargs)).eval()


def on_meta(cls: Any, *args: Any, **kwargs: Any) -> Any:
    """A network without memory."""
    with torch.device('meta'):
        return cls(*args, **kwargs)


@cache
def whole(ops: tuple[str, ...] = MOBILE_OPS) -> Any:
    """The super-net of the paper's size."""
    return on_meta(MobileSuperNet, ops=ops)


# -- Table 2 ---------------------------------------------------------------------------------------


def test_the_space_is_that_of_table_2() -> None:
    net = whole()
    layers = [(f'stage{s}', node) for s, _, n, _, _ in TABLE_2 for node in range(1, n + 1)]
    assert [(c.cell, c.node) for c in net.choices.values()] == layers and len(layers) == 21
    names = {f'mbconv_{k}x{k}_e{e}' for k in (3, 5, 7) for e in (3, 6)}
    for choice in net.choices.values():
        assert set(choice.candidates) == names | ({'identity'} if choice.node > 1 else set())
    counts = [len(choice.candidates) for choice in net.choices.values()]
    assert sum(counts) == 141
    assert math.prod(counts) == 6**6 * 7**15
    first = [i for i, choice in enumerate(net.choices.values()) if choice.node == 1]
    assert first == [0, 4, 8, 12, 16, 20]


def test_the_grouped_operations_are_an_option() -> None:
    net = whole((*MOBILE_OPS, *MOBILE_GROUPED_OPS))
    assert sum(len(choice.candidates) for choice in net.choices.values()) == 141 + 3 * 21
    assert SPACE_RULES['mobile'].ops == {*MOBILE_OPS, *MOBILE_GROUPED_OPS}


def test_the_demo_has_11_choices_and_71_operations() -> None:
    net = on_meta(MobileSuperNet, **DEMO)
    assert len(net.choices) == 11
    assert sum(len(choice.candidates) for choice in net.choices.values()) == 71
    assert [info['reduction'] for info in net.feature_info] == [1, 2, 4]
    assert net.reduction_blocks == ['layer2.0', 'layer3.0']
    maps = net(torch.zeros(1, 3, 32, 32, device='meta'))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 32, 32), (16, 16, 16), (128, 8, 8)]


def test_shapes_are_those_of_table_2() -> None:
    net = whole()
    shapes: list[tuple[Any, ...]] = []

    def note(_: Any, given: Any, out: Tensor) -> None:
        shapes.append((given[0].shape[1:], out.shape[1:]))

    modules = [*net.stem, *(block for _, block in net.blocks()), net.layer4[-1]]
    hooks = [module.register_forward_hook(note) for module in modules]
    net.mixture = Fixed(dict.fromkeys(net.choices, (0,)))
    maps = net(torch.zeros(1, 3, 224, 224, device='meta'))
    for hook in hooks:
        hook.remove()
    channels, expected = 24, [((3, 224, 224), (40, 112, 112)), ((40, 112, 112), (24, 112, 112))]
    for _, planes, _, stride, side in TABLE_2:
        expected.append(((channels, side, side), (planes, side // stride, side // stride)))
        channels = planes
    assert shapes == [*expected, ((432, 7, 7), (1728, 7, 7))]
    assert [m.shape[1] for m in maps] == net.out_channels == [32, 56, 128, 1728]
    assert [info['reduction'] for info in net.feature_info] == [4, 8, 16, 32]
    kinds = {type(m) for m in net.modules() if isinstance(m, (nn.ReLU6, nn.ReLU, nn.SiLU))}
    assert kinds == {nn.ReLU6}
    assert not [name for name, _ in net.named_parameters() if 'attention' in name]


# -- sizes -----------------------------------------------------------------------------------------


def block_size(op: str, inputs: int, outputs: int) -> tuple[int, int, int]:
    """Weights of the first 1x1 convolution, of all after it, and parameters of an operation."""
    if op == 'identity':
        return 0, 0, 0
    kernel, expansion, grouped = re.fullmatch(KERNELS_AND_EXPANSIONS, op).groups()  # type: ignore[union-attr]
    inner, groups = inputs * int(expansion), 2 if grouped else 1
    first = inputs * inner // groups
    rest = inner * int(kernel) ** 2 + inner * outputs // groups
    return first, rest, first + rest + 4 * inner + 2 * outputs  # norms: two values a channel


def plain_sizes(genotype: Genotype, classes: int = 1000) -> tuple[int, int]:
    """Parameters with a linear classifier, and multiply-adds for an image of 224 x 224."""
    stem = 27 * 40, 9 * 40 + 40 * 24
    last = 432 * 1728
    parameters = sum(stem) + 2 * (40 + 40 + 24) + last + 2 * 1728 + (1728 + 1) * classes
    operations = sum(stem) * 112**2 + last * 7**2 + 1728 * classes
    channels = 24
    for (_, planes, _, stride, side), cell in zip(TABLE_2, genotype.cells, strict=True):
        for edges in cell.nodes:
            first, rest, count = block_size(edges[0].op, channels, planes)
            parameters += count
            operations += first * side**2 + rest * (side // stride) ** 2
            channels, side, stride = planes, side // stride, 1
    return parameters, operations


def measured_sizes(genotype: Any, classes: int = 1000) -> tuple[int, int]:
    """The same of the package's network."""
    net = on_meta(MobileNASNet, genotype).eval()
    parameters = sum(p.numel() for p in net.parameters())
    head = net.out_channels[-1] * classes
    x = torch.zeros(1, 3, 224, 224, device='meta')
    return parameters + head + classes, count_multiplications(net, x) + head


def test_the_published_file_is_proxylessnas_gpu() -> None:
    genotype = Genotype.load('proxylessnas_gpu')
    assert genotype.space == 'mobile'
    for cell, text in zip(genotype.cells, PROXYLESS, strict=True):
        ops = ['identity' if word == '-' else f'mbconv_{word}' for word in text.split()]
        assert [edges[0].op for edges in cell.nodes] == ops


def test_proxylessnas_gpu_has_the_published_sizes() -> None:
    parameters, operations = measured_sizes('proxylessnas_gpu')
    assert (parameters, operations) == plain_sizes(Genotype.load('proxylessnas_gpu'))
    assert parameters == 7_119_848  # osmr/imgclsmob; the authors' log: 7.12 M
    assert f'{operations / 1e6:.1f}' == '465.3'  # the authors' log


def test_sizes_are_the_plain_count() -> None:
    net, rng = whole((*MOBILE_OPS, *MOBILE_GROUPED_OPS)), np.random.default_rng(0)
    for _ in range(3):
        genotype = net.random_genotype(rng)
        assert measured_sizes(genotype) == plain_sizes(genotype)


# -- plain formulas --------------------------------------------------------------------------------


def unit(state: State, key: str, x: Tensor, stride: int = 1, act: bool = True, groups: int = 1):  # type: ignore[no-untyped-def]
    """Convolution, norm and ReLU6; a grouped 1x1 convolution is one of each part."""
    weight = state[f'{key}.conv.weight']
    if groups > 1:
        parts = zip(x.chunk(groups, 1), weight.chunk(groups, 0), strict=True)
        y = torch.cat([same_conv(part, w) for part, w in parts], 1)
    else:
        y = same_conv(x, weight, stride)
    y = norm(state, f'{key}.bn', y)
    return y.clamp(0, 6) if act else y


def block(state: State, key: str, x: Tensor, stride: int, groups: int = 1) -> Tensor:
    """An MBConv block, or the identity where the state has none."""
    if f'{key}.depthwise.conv.weight' not in state:
        return x
    y = x
    if f'{key}.expand.conv.weight' in state:
        y = unit(state, f'{key}.expand', y, groups=groups)
    y = unit(state, f'{key}.depthwise', y, stride)
    y = unit(state, f'{key}.project', y, act=False, groups=groups)
    return x + y if stride == 1 and x.shape == y.shape else y


PLACES = [('layer1.0', 2), ('layer2.0', 2), ('layer3.0', 2), ('layer3.1', 1), ('layer4.0', 2),
          ('layer4.1', 1)]  # fmt: skip
"""Module and stride of each searched stage."""


def plain_network(
    state: State, depths: Any, x: Tensor, stem: int, weights: Any = None
) -> list[Tensor]:
    """The four maps; with ``weights`` (by choice and candidate), each block is their mixture."""
    x = block(state, 'stem.1', unit(state, 'stem.0', x, stem), 1)
    outputs = []
    for s, ((place, first), depth) in enumerate(zip(PLACES, depths, strict=True), 1):
        for j in range(depth):
            stride, key = first if j == 0 else 1, f'{place}.nodes.{j}'
            if weights is None:
                x = block(state, key, x, stride)
            else:
                mixed = weights[f'stage{s}/node{j + 1}/op'].items()
                x = sum(  # type: ignore[assignment]
                    w * block(state, f'{key}.{op}', x, stride, 2 if 'g2' in op else 1)
                    for op, w in mixed
                )
        if s == 6:
            x = unit(state, 'layer4.2', x)
        if s not in (3, 5):
            outputs.append(x)
    return outputs


@pytest.mark.parametrize(('variant', 'stem'), [('cifar', 1), ('imagenet', 2)])
def test_derived_networks_are_the_plain_formula(variant: str, stem: int) -> None:
    net = small(variant=variant)
    x = images(2, 3, 30, 34, dtype=torch.float64)
    expected = plain_network(double_state(net), [4, 4, 4, 4, 4, 1], x, stem)
    for ours, theirs in zip(net.double()(x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_mixtures_are_the_plain_formula() -> None:
    net = build_super_net('mobile').double()
    x, weights = images(2, 3, 16, 20, dtype=torch.float64), {}
    with torch.no_grad():
        for name, parameter in net.arch_parameters().items():
            parameter.copy_(torch.randn(len(parameter), dtype=torch.float64))
            e = [float(value.exp()) for value in parameter]
            ops = net.choices[name].candidates
            weights[name] = {op: value / sum(e) for op, value in zip(ops, e, strict=True)}
    expected = plain_network(double_state(net), SPACES['mobile']['depths'], x, 1, weights)
    for ours, theirs in zip(net(x), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('name', sorted(SPACE_RULES['mobile'].ops - {'identity'}))
@pytest.mark.parametrize(('out_channels', 'stride'), [(16, 1), (24, 1), (16, 2)])
def test_operations_are_the_plain_formula(name: str, out_channels: int, stride: int) -> None:
    style = ConvStyle(act_cfg=dict(type='ReLU6'))
    op: Any = scramble(build_op(name, OpSpec(16, out_channels, style, stride))).eval().double()
    x = images(2, 16, 9, 10, dtype=torch.float64)
    before = x.clone()
    state = {f'op.{k}': v for k, v in double_state(op).items()}
    expected = block(state, 'op', x, stride, 2 if name.endswith('_g2') else 1)
    torch.testing.assert_close(op(x), expected, rtol=1e-10, atol=1e-10)
    assert torch.equal(x, before), 'the input belongs to the other candidates, too'
    count = sum(p.numel() for p in op.parameters())
    assert count == block_size(name, 16, out_channels)[2]


# -- the network -----------------------------------------------------------------------------------


def test_drop_path_counts_identities_and_spares_them() -> None:
    net, plain = small(drop_path_rate=0.5), small()
    x = images(2, 3, 16, 16)
    torch.testing.assert_close(net(x), plain(x), rtol=0, atol=0)
    blocks = [b for n, b in net.named_modules() if re.fullmatch(r'layer\d\.\d\.nodes\.\d', n)]
    assert len(blocks) == 21
    words = ' '.join(PROXYLESS).split()
    for i, (word, one) in enumerate(zip(words, blocks, strict=True)):
        dropped = getattr(getattr(one, 'drop_path', None), 'drop_prob', 0)
        assert dropped == pytest.approx(0 if word == '-' else 0.5 * i / 20)


@pytest.mark.parametrize('library', TASKS)
def test_it_serves_every_library(library: str) -> None:
    model, batch = TASKS[library]
    backbone = {'type': 'ppnas_mm.MobileNASNet', 'arch': 'proxylessnas_gpu', 'width': 0.25}
    net = MODELS.build(model(backbone))
    net.init_weights()
    data = net.data_preprocessor(batch(size=64), training=True)
    losses = net(**data, mode='loss')
    total, _ = net.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total)
    assert all(p.grad is not None for p in net.backbone.stem.parameters())


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'variant': 'tiny'}, 'variant='),
        ({'width': 0}, 'width=0'),
        ({'strides': (1, 2)}, 'strides='),
        ({'strides': (2, 2, 2, 1, 2, 4)}, 'strides='),
        ({'depths': (4, 4, 4, 4, 4)}, 'depths=.*6 numbers'),
        ({'depths': (4, 4, 4, 4, 4, 0)}, 'depths='),
        ({'ops': ('identity',)}, r"ops=.*first block.*\['identity'\]"),
        ({'ops': ('mbconv_3x3_e3', 'mbconv_3x3_e4_se')}, 'ops='),
        ({'out_indices': (4,)}, 'out_indices'),
        ({'strides': (1, 2, 2, 1, 1, 1), 'out_indices': (3,)}, r'out_indices.*0\.\.2'),
    ],
)
def test_wrong_arguments_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        on_meta(MobileSuperNet, **kwargs)


def test_an_identity_in_a_first_block_is_refused() -> None:
    data = Genotype.load('proxylessnas_gpu').to_dict()
    data['cells'][1]['nodes'][0][0]['op'] = 'identity'
    with pytest.raises(GenotypeError, match=r"cells\[1\].nodes\[1\].*may not hold 'identity'"):
        MobileNASNet(data)


def test_foreign_genotypes_are_refused() -> None:
    with pytest.raises(GenotypeError, match=r"MobileNASNet needs a mobile genotype.*'chain'"):
        MobileNASNet('cdarts_a')
