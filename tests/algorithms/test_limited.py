"""The strongest architecture within a limit: against all architectures, and in a search."""

import itertools
import math
from typing import Any

import pytest
import torch
from cdarts_nets import build
from tasks import classifier, classifier_batch, search_optimizers
from zoo import SPACES

from ppnas_mm.algorithms.discretise import strongest
from ppnas_mm.algorithms.limited import strongest_within
from ppnas_mm.costs.limits import ConstraintError, Limits
from ppnas_mm.engine.derive import derive_model
from ppnas_mm.registry import MODELS

SHAPE = (3, 64, 64)
OPS = ('mbconv_3x3_e4_se', 'mbconv_7x7_e6_se', 'identity')
NET = {**SPACES['chain'], 'ops': OPS, 'depths': (2, 2, 1, 1, 2)}
"""2^5 3^3 architectures."""


def made(seed: int) -> Any:
    """A classifier around the super-net, with an alpha of its own."""
    model: Any = MODELS.build(classifier(NET))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.backbone.arch_parameters().values():
            parameter.copy_(2 * torch.randn(len(parameter), generator=generator))
    return model


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('unit', ['flops', 'params'])
def test_it_is_the_best_of_all_architectures(seed: int, unit: str) -> None:
    model = made(seed)
    net = model.backbone
    given: Any = {'input_shape': SHAPE} if unit == 'flops' else {}
    table = Limits(model, **given, **{unit: 1e12}).tables[unit]
    weights = {}
    for name, parameter in net.arch_parameters().items():
        e = [math.exp(float(value)) for value in parameter]
        weights[name] = [value / sum(e) for value in e]
    everything = []
    for kept in itertools.product(*(range(len(c.candidates)) for c in net.choices.values())):
        path = {name: (i,) for name, i in zip(net.choices, kept, strict=True)}
        score = math.prod(weights[name][i] for name, i in zip(net.choices, kept, strict=True))
        everything.append((score, table(path)))
    costs = sorted(cost for _, cost in everything)
    free = table(strongest(net))
    for share in (0.02, 0.3, 0.9):
        low = costs[int(share * len(costs))]
        for bounds in ((None, low), (low, 1.05 * low), (low, None)):
            limits = Limits(model, **given, **{unit: bounds})
            path = strongest_within(net, limits)
            inside = [s for s, c in everything if limits.limits[0].allows(c)]
            score = math.prod(weights[name][i] for name, (i,) in path.items())
            assert limits.ok(path)
            assert score == pytest.approx(max(inside), rel=0.02)
            if limits.limits[0].allows(free):
                assert path == strongest(net)


def test_cdarts_keeps_its_limit_from_the_first_epoch_to_the_network() -> None:
    options: Any = dict(evaluation={}, pools=(1, 1, 1, 1), l1_ops=(), separate_epochs=0)
    free = build(classifier(NET), **options)
    table = Limits(free.evaluation, input_shape=SHAPE, flops=1e12).tables['flops']
    usual = table(free.decide(strict=True))
    bounds = (0.7 * usual, 0.8 * usual)
    algorithm = build(classifier(NET), **options, limits={'flops': bounds, 'input_shape': SHAPE})
    optimizers = search_optimizers(algorithm)
    data = {half: classifier_batch(size=64, seed=i) for i, half in enumerate(('train', 'val'))}
    for epoch in (1, 2):
        algorithm.before_epoch(epoch)
        assert bounds[0] <= table(algorithm.evaluation.backbone.mixture.path) <= bounds[1]
        algorithm.train_step(data, optimizers)
    derived = derive_model(algorithm, algorithm.derive())
    counts: list[int] = []
    for module in derived.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(
                lambda m, _, y: counts.append(y[0].numel() * m.weight[0].numel())
            )
    with torch.no_grad():
        derived.eval()(torch.zeros(1, *SHAPE), mode='tensor')
    assert bounds[0] <= sum(counts) <= bounds[1]


@pytest.mark.parametrize(
    ('limits', 'error', 'message'),
    [
        ({'flops': 1, 'input_shape': SHAPE}, ConstraintError, 'architectures of the space cost'),
        ({'flops': 1e9}, ValueError, 'flops needs input_shape'),
        ({'flops': 1e9, 'params': 1e9, 'input_shape': SHAPE}, ValueError, 'exactly one of'),
        ({'watts': 1}, ValueError, 'expected some of'),
    ],
)
def test_bad_limits_are_named(limits: dict, error: type, message: str) -> None:
    options: Any = dict(evaluation={}, pools=(1, 1, 1, 1), l1_ops=())
    with pytest.raises(error, match=message):
        build(classifier(NET), **options, limits=limits)


def test_spaces_with_connections_take_no_limit() -> None:
    with pytest.raises(ValueError, match="'darts' also chooses connections"):
        build(limits={'params': 1e9})
