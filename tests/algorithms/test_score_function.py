"""The score function: unbiased, and what it moves in GDAS and CDARTS."""

import itertools
from typing import Any

import pytest
import torch
from tasks import classifier, classifier_batch, search_optimizers
from zoo import SPACES

from ppnas_mm.algorithms.draws import Draws
from ppnas_mm.algorithms.op_table import OpTable
from ppnas_mm.algorithms.score_function import likelihood, sample, score_loss
from ppnas_mm.registry import MODELS


def test_two_samples_give_the_gradient_of_the_mean_loss() -> None:
    """Over all pairs of samples, weighed by their probability, against autograd of the mean."""
    torch.manual_seed(0)
    rows = [torch.randn(n, dtype=torch.double, requires_grad=True) for n in (2, 3)]
    cells = list(itertools.product(range(2), range(3)))
    losses = {cell: torch.rand((), dtype=torch.double) for cell in cells}

    def logarithm(cell: tuple[int, ...]) -> torch.Tensor:
        return sum(row.log_softmax(0)[i] for row, i in zip(rows, cell, strict=True))

    mean = sum(logarithm(cell).exp() * losses[cell] for cell in cells)
    expected = torch.autograd.grad(mean, rows)
    found = [torch.zeros_like(row) for row in rows]
    for one, two in itertools.product(cells, cells):
        value = score_loss(
            torch.stack([losses[one], losses[two]]), torch.stack([logarithm(one), logarithm(two)])
        )
        assert float(value) == pytest.approx(float(losses[one] + losses[two]) / 2)
        share = float((logarithm(one) + logarithm(two)).exp())
        for total, part in zip(found, torch.autograd.grad(value, rows), strict=True):
            total += share * part
    torch.testing.assert_close(found, list(expected))


@pytest.mark.parametrize('losses', [(0.5, 3.0, 900.0, 0.7), (1.0, 1.0, 2.0, 2.0)])
def test_ranks_count_wins_and_defeats(losses: tuple[float, ...]) -> None:
    """How far the worst is from the others does not matter; equal losses are no win."""
    likelihoods = torch.zeros(4, requires_grad=True)
    value = score_loss(torch.tensor(losses), likelihoods, 'rank')
    assert float(value) == pytest.approx(sum(losses) / 4)
    (found,) = torch.autograd.grad(value, likelihoods)
    defeats = [sum(own > other for other in losses) for own in losses]
    wins = [sum(own < other for other in losses) for own in losses]
    expected = [(lost - won) / 3 / 4 for lost, won in zip(defeats, wins, strict=True)]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_samples_follow_the_softmax_of_alpha() -> None:
    net: Any = MODELS.build(SPACES['nasbench201'])
    table, draws = OpTable(net), Draws(0)
    with torch.no_grad():
        for row in net.arch.values():
            row.copy_(torch.randn(row.shape, generator=torch.Generator().manual_seed(len(row))))
    net.prune(next(iter(net.choices)), 1)
    shares, seen = table.shares(), torch.zeros(6, 5, dtype=torch.double)
    for _ in range(4000):
        seen[torch.arange(6), sample(table, draws)[1]] += 1 / 4000
    assert float(seen[0, 1]) == 0
    assert float((seen - shares).abs().max()) < 4 * (0.25 / 4000) ** 0.5
    columns = sample(table, draws)[1]
    logs = [shares[row, i].log() for row, i in enumerate(columns.tolist())]
    assert float(likelihood(table, columns)) == pytest.approx(float(sum(logs)), abs=1e-5)


def build(kind: str, **kwargs: Any) -> Any:
    torch.manual_seed(0)
    algorithm = MODELS.build(
        dict(type=f'ppnas_mm.{kind}', model=classifier(SPACES['nasbench201']), seed=0, **kwargs)
    )
    return algorithm.train()


def halves() -> dict[str, Any]:
    return {'train': classifier_batch(seed=1), 'val': classifier_batch(seed=2)}


def test_gdas_asks_each_drawn_cell_and_moves_alpha_alone() -> None:
    algorithm = build('GDAS', gradient='score', samples=3)
    seen: list[torch.Tensor] = []
    algorithm.on_validation = lambda drawn, accuracy: seen.append(drawn)
    optimizers = search_optimizers(algorithm)
    optimizers['weights'].optimizer.param_groups[0]['lr'] = 0.0
    before = {k: v.detach().clone() for k, v in algorithm.named_parameters()}
    logs = algorithm.train_step(halves(), optimizers)
    moved = {k for k, v in algorithm.named_parameters() if not torch.equal(v, before[k])}
    assert moved and moved <= {f'model.backbone.arch.{name}' for name in algorithm.super_net.arch}
    assert len(seen) == 3 and len({tuple(drawn.tolist()) for drawn in seen}) > 1
    assert set(logs) >= {'loss_val', 'accuracy_val'}


def test_cdarts_runs_sampled_paths_and_its_draws_are_in_the_state() -> None:
    algorithm = build(
        'CDARTS', evaluation={}, classes=3, pools=(2, 2), l1_weight=0.0, relaxation='sampled'
    )
    assert 'draws.state' in algorithm.state_dict()
    algorithm.before_epoch(2)
    assert algorithm.phase == 'joint'
    kept: list[int] = []
    real = type(algorithm.super_net).mix

    def watched(net: Any) -> Any:
        mix = real(net)
        if net is algorithm.super_net:
            kept.extend(len(weights.kept) for weights in mix.values())
        return mix

    type(algorithm.super_net).mix = watched
    try:
        optimizers = search_optimizers(algorithm)
        before = {k: v.detach().clone() for k, v in algorithm.super_net.arch.items()}
        logs = algorithm.train_step(halves(), optimizers)
    finally:
        type(algorithm.super_net).mix = real
    assert kept and set(kept) == {1}
    assert any(not torch.equal(v, before[k]) for k, v in algorithm.super_net.arch.items())
    assert torch.isfinite(logs['loss_search']) and 'loss_distillation' in logs


CDARTS = {'evaluation': {}, 'classes': 3, 'pools': (2, 2)}
UNKNOWN = [dict(samples=1), dict(advantage='order')]


@pytest.mark.parametrize('options', [dict(gradient='both'), *UNKNOWN])
def test_gdas_refuses_what_it_does_not_know(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf'{next(iter(options))}=.*: expected .*(score|or more)'):
        build('GDAS', **options)


@pytest.mark.parametrize('options', [dict(relaxation='hard'), *UNKNOWN])
def test_cdarts_refuses_what_it_does_not_know(options: dict[str, Any]) -> None:
    text = rf'{next(iter(options))}=.*: expected .*(sampled|or more)'
    with pytest.raises(ValueError, match=text):
        build('CDARTS', **{**CDARTS, 'relaxation': 'sampled', **options})
