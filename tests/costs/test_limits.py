"""Limits of a search: what shrinking leaves of a space can keep them, against counts of all."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from oneshot import CHAIN, SIX, build, derived, left, plain_scores, run_epochs
from tasks import classifier, search_optimizers
from zoo import SPACES

from ppnas_mm.algorithms.one_shot.paths import Paths
from ppnas_mm.costs.limits import ConstraintError, Limits
from ppnas_mm.registry import MODELS


def architectures(net: Any, alive: dict) -> Any:
    """Plain parts of architectures that costs add up over: for each node, all that it may be."""
    for nodes in net.layout.values():
        for node in nodes.values():
            ways = [node.ops]
            if node.gates is not None and node.ops[0].source is not None:
                ways = list(combinations(node.ops, node.gates.keep))
            yield [
                dict(zip((op.name for op in way), ((i,) for i in kept), strict=True))
                for way in ways
                for kept in product(*(alive[op.name] for op in way))
            ]


@pytest.mark.parametrize('net', [CHAIN, SPACES['darts'], SPACES['nasbench201'], SPACES['ppconv']],
                         ids=lambda net: net['type'][9:])  # fmt: skip
def test_reachable_is_what_a_count_of_all_says(net: dict) -> None:
    torch.manual_seed(0)
    model = MODELS.build(classifier(net))
    limits = Limits(model, params=1, flops=1, input_shape=(3, 16, 16))
    paths, rng = Paths(model.backbone), np.random.default_rng(0)
    for _ in range(8):
        alive = {
            name: tuple(i for i in ops if rng.random() < 0.5) or ops[:1]
            for name, ops in paths.alive().items()
        }
        for unit, table in limits.tables.items():
            parts = [[table(part) - table.fixed for part in node]
                     for node in architectures(model.backbone, alive)]  # fmt: skip
            least, most = (table.fixed + sum(map(f, parts)) for f in (min, max))
            for bound, expected in (
                ((None, least), True),
                ((None, least - 1), False),
                ((most, None), True),
                ((most + 1, None), False),
                ((least, most), True),
                ((most + 1, most + 2), False),
            ):
                limits.bounds = {unit: bound}
                assert limits.reachable(alive) == expected


def test_a_range_of_a_space_is_that_of_its_derived_networks() -> None:
    algorithm = build('SENAS', CHAIN, limits={'params': (1, 10**9)})
    sizes = []
    for ops in product((0, 1), repeat=5):
        path = dict(zip(algorithm.super_net.choices, ((i,) for i in ops), strict=True))
        sizes.append(sum(p.numel() for p in derived(algorithm, path).parameters()))
    least, most, alive = min(sizes), max(sizes), algorithm.paths.alive()
    for bound in ((None, least), (most, None)):
        algorithm.limits.bounds = {'params': bound}
        assert algorithm.limits.reachable(alive)
    for bound in ((None, least - 1), (most + 1, None)):
        algorithm.limits.bounds = {'params': bound}
        assert not algorithm.limits.reachable(alive)


@pytest.mark.parametrize('drop', ['each', 25])
def test_shrinking_leaves_what_the_limits_need(drop: Any) -> None:
    """Only the largest operations keep this limit, so all of those stay, whatever their scores."""
    probe = build('SENAS', SIX, limits={'params': 10**9})
    largest = {name: (max(ops, key=lambda i: probe.limits.tables['params'].entries[name][i]),)
               for name, ops in probe.paths.alive().items()}  # fmt: skip
    size = sum(p.numel() for p in derived(probe, largest).parameters())
    algorithm = build('SENAS', SIX, epochs=9, drop=drop, limits={'params': (size, None)})
    algorithm.importances = lambda: {  # the largest are the least important
        n: {i: float(i not in largest[n]) + i / 10 for i in ops}
        for n, ops in algorithm.paths.alive().items()
    }
    run_epochs(algorithm, search_optimizers(algorithm), range(1, 10))
    assert algorithm.finished and algorithm.paths.alive() == largest
    assert dict(algorithm.decide(True)) == largest


def test_a_search_that_can_drop_nothing_selects() -> None:
    probe = build('SENAS', CHAIN, limits={'params': 10**9})
    entries = probe.limits.tables['params'].entries
    # one operation less anywhere, and the range is missed: nothing but both extremes are in it
    model = MODELS.build(classifier(CHAIN))
    limits = Limits(model, params=1)
    least, most = limits._range(limits.tables['params'], probe.paths.alive())
    assert all(row[0] != row[1] for row in entries.values())
    algorithm = build('SENAS', CHAIN, limits={'params': (1, 10**9)})
    plain_scores(algorithm)
    algorithm.limits.reachable = lambda alive: (  # as if two limits asked for both
        limits._range(limits.tables['params'], alive) == (least, most)
    )
    run_epochs(algorithm, search_optimizers(algorithm), [1])
    assert algorithm.finished and left(algorithm) == [2] * 5


def test_scored_models_keep_the_limits() -> None:
    probe = build('SENAS', SIX, limits={'params': 10**9})
    sizes = sorted(probe.limits.costs(probe.training_paths()[0])['params'] for _ in range(30))
    algorithm = build('SENAS', SIX, limits={'params': sizes[10]})
    seen: list[int] = []
    algorithm.recalibrated_accuracy = lambda *_: float(len(seen) + 1)
    real = algorithm.limits.costs
    algorithm.reported = lambda items, _: (seen.append(real(p)['params']) or p for p in items)
    algorithm.importances()
    assert len(seen) >= 12 and max(seen) <= sizes[10]
    low = build('SENAS', SIX, limits={'params': (sizes[-1], 10**9)}, models_per_op=1)
    assert len(low.scored_paths(low.paths.alive(), np.random.default_rng(0))) >= 6
    window = build('SENAS', CHAIN, limits={'params': 10**9})
    window.limits.below = lambda path: False
    with pytest.raises(ConstraintError, match='no drawn model'):
        window.importances()
