"""Scores of untrained networks against plain loops and closed formulas in float64."""

import copy
import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from super_nets import derive, random_paths
from torch import Tensor, nn
from zoo import build_super_net, images

from ppnas_mm.algorithms.proxies import naswot, synflow
from ppnas_mm.spaces import Fixed

# -- naswot ----------------------------------------------------------------------------------------


def plain_naswot(units: list[list[bool]]) -> float:
    """Log-determinant of counted agreements; a row of ``units`` for each image."""
    kernel = [[float(sum(a == b for a, b in zip(one, two, strict=True))) for two in units]
              for one in units]  # fmt: skip
    sign, logarithm = np.linalg.slogdet(np.array(kernel))
    return float(logarithm) if sign > 0 else -math.inf


def small_net() -> nn.Module:
    """Two activations of different kinds and one layer without."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3), nn.SiLU(),
        nn.Conv2d(2, 2, 1), nn.Sigmoid(),
    )  # fmt: skip


def test_naswot_counts_agreements_of_all_pairs() -> None:
    net, x = small_net(), images(6, 3, 6, 6)
    weights = [net[i].weight.double() for i in (0, 2)]  # type: ignore[union-attr]
    biases = [net[i].bias.double() for i in (0, 2)]  # type: ignore[union-attr]
    first = nn.functional.conv2d(x.double(), weights[0], biases[0], padding=1)
    second = nn.functional.conv2d(first.clamp(min=0), weights[1], biases[1])
    units = [
        [bool(v > 0) for part in (first[i], second[i]) for v in part.flatten()] for i in range(6)
    ]
    assert len(units[0]) == 4 * 36 + 2 * 16
    assert naswot(net, x) == pytest.approx(plain_naswot(units), rel=1e-9)


def test_naswot_of_a_hand_made_kernel() -> None:
    """Two images that agree in 3 of 4 units: log(16 - 9)."""
    x = torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, -1]])[:, :, None, None]
    assert naswot(nn.Sequential(nn.ReLU()), x) == pytest.approx(math.log(7))
    x = torch.tensor([[1.0, -1], [-1, 1], [1, 1]])[:, :, None, None]
    # agreements: [[2, 0, 1], [0, 2, 1], [1, 1, 2]]
    assert naswot(nn.Sequential(nn.ReLU()), x) == pytest.approx(math.log(4))


def test_zero_is_not_active() -> None:
    x = torch.tensor([[0.0, 1], [-1, 1], [1, -1]])[:, :, None, None]
    assert naswot(nn.Sequential(nn.ReLU()), x) == -math.inf  # 0 and -1: the same pattern
    assert naswot(nn.Sequential(nn.ReLU()), x[1:]) == pytest.approx(math.log(4))


def test_images_that_a_network_cannot_tell_apart_score_minus_infinity() -> None:
    x = images(5, 3, 6, 6)
    assert math.isfinite(naswot(small_net(), x))
    x[3] = x[1]
    assert naswot(small_net(), x) == -math.inf
    assert naswot(nn.Sequential(nn.Conv2d(3, 4, 3)), x) == -math.inf  # nothing is activated


def test_an_activation_that_runs_twice_counts_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.act(x) - 0.5)

    x = images(4, 2, 3, 3)
    units = [[bool(v > 0) for part in (x[i], x[i].clamp(min=0) - 0.5) for v in part.flatten()]
             for i in range(4)]  # fmt: skip
    assert naswot(Twice(), x) == pytest.approx(plain_naswot(units), rel=1e-9)


def plain_units(net: nn.Module, x: Tensor) -> list[list[bool]]:
    """What each activation of a network sees; a row for each image."""
    found: list[Tensor] = []
    for module in net.modules():
        if isinstance(module, (nn.ReLU, nn.ReLU6, nn.SiLU)):
            module.register_forward_pre_hook(lambda _, args: found.append((args[0] > 0).flatten(1)))
    with torch.no_grad():
        net(x)
    return torch.cat(found, 1).tolist()


def test_naswot_of_a_path_is_that_of_its_network(space: str) -> None:
    """Only the operations of the path run; the rest adds no units.

    With batch norms the super-net of the DARTS space activates a node once for several operations.
    """
    other = {'norm_cfg': {'type': 'GN', 'num_groups': 1}} if space == 'darts' else {}
    net = build_super_net(space, **other).train()
    x, scores = images(6, 3, 16, 16), []
    for path in random_paths(net, 3):
        derived = derive(net, net.to_genotype(path)).train()
        with net.using(Fixed(path)):
            scores.append(naswot(net, x))
        assert scores[-1] == pytest.approx(plain_naswot(plain_units(derived, x)), rel=1e-6)
    assert len(set(scores)) > 1
    assert not any(m._forward_pre_hooks for m in net.modules())


# -- synflow ---------------------------------------------------------------------------------------


class Plain(nn.Module):
    """Convolution, norm, activation, convolution; with a shortcut. Returns two maps."""

    def __init__(self, norms: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1, bias=bias)
        self.norm = nn.BatchNorm2d(4) if norms else nn.Identity()
        self.act = nn.ReLU()
        self.second = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.act(self.norm(self.first(x)))
        return x, x + self.second(x)


def flow(parameters: dict[str, Tensor], size: int) -> Tensor:
    """Sum of the outputs of :class:`Plain` for an image of ones, by loops over the pixels."""
    a, b = parameters['first.weight'].abs(), parameters['second.weight'].abs()
    zero = torch.zeros((), dtype=torch.float64)
    bias_a = parameters.get('first.bias', torch.zeros(4, dtype=torch.float64)).abs()
    bias_b = parameters.get('second.bias', torch.zeros(4, dtype=torch.float64)).abs()
    inside = set(product(range(size), repeat=2))
    hidden = {
        (o, y, x): bias_a[o] + sum(
            (a[o, :, i, j].sum() for i, j in product(range(3), repeat=2)
             if (y + i - 1, x + j - 1) in inside), zero)
        for o in range(4) for y, x in inside
    }  # fmt: skip
    total = sum(hidden.values(), zero)
    for o in range(4):
        for y, x in inside:
            total = total + hidden[o, y, x] + bias_b[o]
            for c, i, j in product(range(2), range(3), range(3)):
                spot = (c + 2 * (o // 2), y + i - 1, x + j - 1)
                if spot in hidden:
                    total = total + b[o, c, i, j] * hidden[spot]
    return total


def plain_synflow(net: nn.Module, size: int) -> float:
    """Log of the sum of |w| dR/d|w|, by central differences along each parameter's own scale.

    R is a polynomial of at most degree two in the scale of one tensor, so that these are exact.
    """
    parameters = {k: p.detach().double() for k, p in net.named_parameters() if 'norm' not in k}
    total = 0.0
    for name in parameters:
        high, low = (
            flow({**parameters, name: parameters[name] * (1 + h)}, size) for h in (1e-3, -1e-3)
        )
        total += float(high - low) / 2e-3
    return math.log(total)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('norms', [True, False])
def test_synflow_is_the_sum_of_weights_times_derivatives(norms: bool, bias: bool) -> None:
    net = Plain(norms, bias)
    assert synflow(net, (3, 4, 4)) == pytest.approx(plain_synflow(net, 4), rel=1e-8)


def test_synflow_written_out() -> None:
    """One weight after the other: R = |a| |b| n, and each of two layers has all of it."""
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 1, 1, bias=False))
    with torch.no_grad():
        net[0].weight.fill_(-3.0)  # type: ignore[union-attr, operator]
        net[1].weight.fill_(0.5)  # type: ignore[union-attr, operator]
    assert synflow(net, (1, 2, 5)) == pytest.approx(math.log(2 * 3 * 0.5 * 10))


def test_signs_do_not_matter_and_scales_do() -> None:
    net = Plain()
    score = synflow(net, (3, 4, 4))
    with torch.no_grad():
        net.first.weight.neg_()
        assert synflow(net, (3, 4, 4)) == score  # also where no gradients are asked for
        net.first.weight.mul_(2)
    assert synflow(net, (3, 4, 4)) > score


def test_batch_norms_do_not_matter() -> None:
    net = Plain(norms=True)
    score = synflow(net, (3, 4, 4))
    with torch.no_grad():
        for value in (net.norm.weight, net.norm.bias, net.norm.running_mean):
            value.copy_(torch.randn(4))  # type: ignore[union-attr, operator]
        net.norm.running_var.fill_(9.0)  # type: ignore[union-attr, operator]
    assert synflow(net, (3, 4, 4)) == score
    bare = Plain()
    bare.load_state_dict({k: v for k, v in net.state_dict().items() if 'norm' not in k})
    assert synflow(bare, (3, 4, 4)) == pytest.approx(score, rel=1e-12)


def test_nothing_flows_where_nothing_is_learned() -> None:
    net = Plain(bias=False)
    with torch.no_grad():
        net.first.weight.zero_()
    assert synflow(net, (3, 4, 4)) == -math.inf
    cut = build_super_net('nasbench201')
    ops = next(iter(cut.choices.values())).candidates
    with cut.using(Fixed({name: (ops.index('none'),) for name in cut.choices})):
        found = synflow(cut, (3, 16, 16))
    assert found < synflow(cut, (3, 16, 16))


def autograd_synflow(net: nn.Module, shape: tuple[int, ...]) -> float:
    """Of a network without super-net: absolute weights in place, norms replaced by nothing."""
    net = copy.deepcopy(net).double().eval()
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    for module in list(net.modules()):
        if hasattr(module, 'norm_name'):  # mmcv's ConvModule, whose property follows the name
            module.with_norm = False
    for parameter in net.parameters():
        parameter.data.abs_()
    sum(o.sum() for o in net(torch.ones(1, *shape, dtype=torch.float64))).backward()
    pairs = [(p, p.grad) for p in net.parameters() if p.grad is not None]
    return math.log(sum(float((p.detach() * g).sum()) for p, g in pairs))


def test_synflow_of_a_path_is_that_of_its_network(space: str) -> None:
    net, scores = build_super_net(space), []
    for path in random_paths(net, 3):
        derived = derive(net, net.to_genotype(path))
        with net.using(Fixed(path)):
            scores.append(synflow(net, (3, 16, 16)))
        assert scores[-1] == pytest.approx(synflow(derived, (3, 16, 16)), rel=1e-9)
        assert scores[-1] == pytest.approx(autograd_synflow(derived, (3, 16, 16)), rel=1e-6)
    assert len(set(scores)) > 1


SCORES: dict[str, Callable[[Any], float]] = {
    'naswot': lambda net: naswot(net, images(4, 3, 16, 16)),
    'synflow': lambda net: synflow(net, (3, 16, 16)),
}


@pytest.mark.parametrize('score', SCORES)
def test_a_score_leaves_the_network_as_it_was(score: str, space: str) -> None:
    net = build_super_net(space).train()
    net.stem.eval()
    net.mixture = Fixed(random_paths(net, 1)[0])
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, 0.25)
    next(p for p in net.parameters()).requires_grad_(False)
    asked = [p.requires_grad for p in net.parameters()]
    if score == 'naswot':
        net.eval()  # in training mode, as in any forward, norms count batches
    modes = [m.training for m in net.modules()]
    state = copy.deepcopy(net.state_dict())
    SCORES[score](net)
    assert [m.training for m in net.modules()] == modes
    assert [p.requires_grad for p in net.parameters()] == asked
    assert all((p.grad == 0.25).all() for p in net.parameters())
    assert list(net.state_dict()) == list(state)
    for key, value in net.state_dict().items():
        assert torch.equal(value, state[key]) and value.dtype == state[key].dtype, key
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_hooks_and_modes_come_back_after_an_error() -> None:
    net = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3)).train()
    with pytest.raises(RuntimeError):
        naswot(net, images(2, 5, 8, 8))
    with pytest.raises(RuntimeError):
        synflow(net, (5, 8, 8))
    assert not net[0]._forward_pre_hooks and all(m.training for m in net.modules())
