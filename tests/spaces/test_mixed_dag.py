"""The cell with every candidate: against its plain formula edge by edge, and in its fast forms."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import plain
import pytest
import torch
from mmengine.config import ConfigDict
from plain_dag import plain_dag
from torch import Tensor, nn
from zoo import build_super_net, images, scramble

from ppnas_mm.benchmarks.plain import edge_by_edge
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import DARTSSuperNet, Fixed, mixed_dag
from ppnas_mm.spaces.darts import DARTS_OPS

SMALL: dict[str, Any] = {'num_cells': 3, 'init_channels': 4}


CLOSE = {'rtol': 1e-10, 'atol': 1e-12}


def decided(net: Any, seed: int = 0) -> Any:
    """Give a super-net random architecture parameters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.arch_parameters().values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return net


def super_net(seed: int = 0, **kwargs: Any) -> Any:
    torch.manual_seed(seed)
    return decided(scramble(DARTSSuperNet(**{**SMALL, **kwargs}), seed), seed).double()


@pytest.fixture(params=['apart', 'merged'])
def _merging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed_dag, 'MERGE_UP_TO', 0 if request.param == 'apart' else 10**9)


# -- against the plain formula with the same modules -----------------------------------------------


VARIANTS: dict[str, dict[str, Any]] = {
    'default': {},
    'affine': {'norm_cfg': {'type': 'BN'}},
    'pool norm': {'pool_norm': True},
    'sum': {'combine': 'sum'},
    'affine, pool norm': {'norm_cfg': {'type': 'BN', 'momentum': 0.3}, 'pool_norm': True},
    'without statistics': {'norm_cfg': {'type': 'BN', 'track_running_stats': False}},
    'group norm': {'norm_cfg': {'type': 'GN', 'num_groups': 1}},
    'mean of all batches': {'norm_cfg': {'type': 'BN', 'momentum': None}},
    'standardised weights': {'conv_cfg': {'type': 'ConvWS'}},
    'leaky': {'act_cfg': {'type': 'LeakyReLU'}},
    'imagenet': {'variant': 'imagenet'},
    'checkpointed': {'with_cp': True},
    **{op: {'ops': (op, 'none')} for op in DARTS_OPS if op != 'none'},
}


def run(net: Any, x: Tensor) -> tuple[list[Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Maps, gradients (of parameters and of the image) and state after one forward and backward."""
    x = x.clone().requires_grad_()
    maps = list(net(x))
    generator = torch.Generator().manual_seed(3)
    weights = [torch.randn(m.shape, generator=generator, dtype=m.dtype) for m in maps]
    sum((w * m).sum() for w, m in zip(weights, maps, strict=True)).backward()
    gradients = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
    return maps, {**gradients, 'image': x.grad}, net.state_dict()


@pytest.mark.usefixtures('_merging')
@pytest.mark.parametrize('mode', ['train', 'eval'])
@pytest.mark.parametrize('variant', VARIANTS)
def test_the_cell_computes_the_plain_formula(variant: str, mode: str) -> None:
    size = (16, 12) if variant != 'imagenet' else (72, 40)
    net = super_net(**VARIANTS[variant]).train(mode == 'train')
    # what is recomputed updates its statistics twice, up to where recomputing may stop
    check(net, images(2, 3, *size).double(), statistics=variant != 'checkpointed')


@pytest.mark.usefixtures('_merging')
@pytest.mark.parametrize('size', [(15, 11), (14, 13), (9, 16), (18, 10)])
@pytest.mark.parametrize('mode', ['train', 'eval'])
def test_odd_images_compute_the_plain_formula(size: tuple[int, int], mode: str) -> None:
    check(super_net(pool_norm=True).train(mode == 'train'), images(2, 3, *size).double())


def check(net: Any, x: Tensor, statistics: bool = True) -> None:
    """Compare maps, gradients and running statistics with those edge by edge."""
    twin = copy.deepcopy(net)
    with edge_by_edge():
        expected, slopes, state = run(twin, x)
    maps, gradients, after = run(net, x)
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)
    assert gradients.keys() == slopes.keys()
    for name, gradient in gradients.items():
        scale = float(slopes[name].abs().max())
        torch.testing.assert_close(gradient, slopes[name], rtol=1e-9, atol=1e-10 * scale + 1e-12)
    for key, value in after.items():  # the plain formula updates the norm of a pool once an edge
        if '.pools.' not in key and statistics:
            torch.testing.assert_close(value, state[key], **CLOSE, msg=key)


@pytest.mark.usefixtures('_merging')
@pytest.mark.parametrize('mode', ['train', 'eval'])
def test_frozen_norms_compute_the_plain_formula(mode: str) -> None:
    check(super_net(norm_eval=True).train(mode == 'train'), images(2, 3, 16, 16).double())


def test_pruned_super_nets_compute_the_plain_formula() -> None:
    net = super_net(pool_norm=True).train()
    for name, choice in net.choices.items():
        if choice.gates and choice.node > 2:
            net.prune(name, 1)
        for candidate in (2, 5) if net.alive_candidates(name) and not choice.gates else ():
            net.prune(name, candidate)
    check(net, images(2, 3, 12, 14).double())


# -- against equation 1 of CDARTS, with operations of plain.py -------------------------------------


@pytest.mark.usefixtures('_merging')
@pytest.mark.parametrize('combine', ['mean', 'sum'])
@pytest.mark.parametrize('pool_norm', [False, True])
@pytest.mark.parametrize('size', [(8, 6), (7, 9)])
def test_the_super_net_computes_equation_1(
    size: tuple[int, int], pool_norm: bool, combine: str
) -> None:
    net = super_net(combine=combine, pool_norm=pool_norm).eval()
    state = plain.double_state(net)
    seen: list[str] = []

    def compare(name: str, module: Any) -> Any:
        def hook(module: Any, given: tuple, outputs: list[Tensor]) -> None:
            expected = plain_dag(net, state, f'{name}.', module.cell, list(given[0]), combine)
            for ours, theirs in zip(outputs, expected, strict=True):
                # the super-net holds one over the number of inputs in single precision
                tolerance = {'rtol': 1e-7, 'atol': 1e-7} if combine == 'mean' else CLOSE
                torch.testing.assert_close(ours, theirs, **tolerance)
            seen.append(module.cell)

        return module.register_forward_hook(hook)

    for name, block in net.blocks():
        compare(name, block)
    with torch.no_grad():
        net(images(2, 3, *size).double())
    assert seen == ['normal', 'reduction', 'reduction']


# -- one-hot, other number formats -----------------------------------------------------------------


@pytest.mark.usefixtures('_merging')
@pytest.mark.parametrize('mode', ['train', 'eval'])
@pytest.mark.parametrize('pool_norm', [False, True])
def test_derived_networks_are_the_one_hot_super_net(pool_norm: bool, mode: str) -> None:
    rng = np.random.default_rng(0)
    x = images(2, 3, 14, 16).double()
    for seed in range(4):
        net = super_net(seed, pool_norm=pool_norm)
        genotype = net.random_genotype(rng)
        net.mixture = Fixed(net.to_path(genotype))
        config, weights = net.export(genotype)
        derived: Any = MODELS.build(ConfigDict(config)).double()
        assert any('.pools.' in key for key in net.state_dict()) == pool_norm
        derived.load_state_dict(weights)
        net.train(mode == 'train')
        derived.train(mode == 'train')
        with torch.no_grad():
            outputs, expected = derived(x), net(x)
        for ours, theirs in zip(outputs, expected, strict=True):
            torch.testing.assert_close(ours, theirs, **CLOSE)


@pytest.fixture
def wide() -> Iterator[Any]:
    """A super-net in single precision, wide enough for numbers to average out."""
    yield super_net(init_channels=16).float()


@pytest.mark.usefixtures('_merging')
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
def test_mixed_precision_stays_close(wide: Any, dtype: torch.dtype, tolerance: float) -> None:
    x = images(4, 3, 16, 16)
    wide.train()
    expected, slopes, _ = run(copy.deepcopy(wide), x)
    with torch.autocast('cpu', dtype=dtype):
        maps, gradients, _ = run(wide, x)
    for out, full in zip(maps, expected, strict=True):
        assert float((out.float() - full).norm() / full.norm()) < tolerance
    arch = [name for name in gradients if name.startswith('arch.')]
    ours, theirs = (torch.cat([g[name] for name in arch]) for g in (gradients, slopes))
    assert ours.dtype == torch.float32
    assert float((ours - theirs).norm() / theirs.norm()) < 5 * tolerance


@pytest.mark.usefixtures('_merging')
def test_channels_last_computes_the_same(wide: Any) -> None:
    x = images(2, 3, 16, 16)
    twin = copy.deepcopy(wide).to(memory_format=torch.channels_last)
    expected, slopes, _ = run(wide.train(), x)
    maps, gradients, _ = run(twin.train(), x.contiguous(memory_format=torch.channels_last))
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    for name, gradient in gradients.items():
        scale = float(slopes[name].abs().max())
        assert float((gradient - slopes[name]).abs().max()) < 1e-2 * scale + 1e-3, name


def test_splitting_into_parities_can_be_undone() -> None:
    x = images(2, 3, 8, 6)
    split = mixed_dag._split(x)
    assert split.shape == (8, 3, 4, 3)
    assert torch.equal(split[2:4], x[:, :, ::2, 1::2]) and torch.equal(split[:2], x[:, :, ::2, ::2])
    assert torch.equal(mixed_dag._join(split), x)


def test_none_takes_part_in_the_softmax_and_is_never_kept() -> None:
    net: Any = build_super_net('darts')
    name = 'normal/node2/op0'
    none = net.choices[name].candidates.index('none')
    x = images(2, 3, 16, 16)
    before = net(x)[0]
    with torch.no_grad():
        for key, parameter in net.arch_parameters().items():
            if key.startswith('normal/node2/'):
                parameter[none] = 50.0
    assert float(net.mix()[name].value[none]) > 0.999
    after = net(x)[0]
    assert not torch.allclose(after, before)
    width = after.shape[1] // 4
    assert float(after[:, :width].abs().max()) < 1e-6  # the node has nothing but zeros
    assert none not in net.keepable(name)
    assert isinstance(net.arch, nn.ParameterDict)
