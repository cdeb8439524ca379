"""How searches and super-nets rank the cells of NAS-Bench-201, against its table."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..genotype import Genotype, GenotypeError
from ..tables import NASBench201Table, TableError
from ..utils.choice_key import ChoiceKey
from .by_epoch import strongest_by_epoch
from .statistics import kendall_tau

if TYPE_CHECKING:
    from ..algorithms.base import SearchAlgorithm


def accuracy_grid(table: NASBench201Table, dataset: str) -> tuple[dict[str, list[int]], np.ndarray]:
    """Return the operations of each edge, and the accuracies with one axis per edge.

    Operations are numbered in the order of their names.

    Raises:
        TableError: If the table lacks a combination of its operations.
    """
    rows = {}
    for text in table.cells:
        genotype = NASBench201Table.decode(text)
        edges = [edge for node in genotype.cells[0].nodes for edge in node]
        rows[tuple(edge.op for edge in edges)] = table.accuracy(genotype, dataset)
    known = [sorted(set(ops)) for ops in zip(*rows, strict=True)]
    every = list(itertools.product(*known))
    if len(rows) != len(every):
        raise TableError(f'{table.name} has {len(rows)} of {len(every)} cells; all are needed')
    values = np.array([rows[ops] for ops in every]).reshape([len(ops) for ops in known])
    return {f'edge{i}': list(range(len(ops))) for i, ops in enumerate(known)}, values


RANKED = ('architecture', 'accuracy_share', 'importance', 'live')
"""Values per operation that a search's record may have: beta, and S, I and Live of EoiNAS."""


def operation_means(table: NASBench201Table, dataset: str) -> dict[str, dict[str, float]]:
    """Return the mean accuracy of all cells with an operation, by choice and operation."""
    found: dict[str, dict[str, list[float]]] = {}
    for text in table.cells:
        genotype = NASBench201Table.decode(text)
        accuracy = table.accuracy(genotype, dataset)
        for node, edges in enumerate(genotype.cells[0].nodes, 1):
            for edge in edges:
                spot = found.setdefault(str(ChoiceKey('cell', node, source=edge.sources[0])), {})
                spot.setdefault(edge.op, []).append(accuracy)
    return {
        name: {op: float(np.mean(values)) for op, values in ops.items()}
        for name, ops in found.items()
    }


def rank_correlations(
    record: Mapping[str, Any], table: NASBench201Table, dataset: str
) -> list[dict[str, float]]:
    """Return how well a search ranks the operations left on the edges, for each epoch.

    Args:
        record: The contents of ``search.json``.
        table: Accuracies of the trained cells.
        dataset: Of the table.

    Returns:
        For each epoch, ``epoch`` and Kendall's tau to :func:`operation_means` for each of
        :data:`RANKED` in the record: the mean over the edges with several operations left; NaN if
        no edge has a ranking.

    Raises:
        TableError: If the search was in another space, or the table lacks an operation.
    """
    if record.get('space') != 'nasbench201':
        raise TableError(f'expected a search in space nasbench201, got {record.get("space")!r}')
    means, rows = operation_means(table, dataset), []
    candidates = {name: choice['candidates'] for name, choice in record['choices'].items()}
    for entry in record['epochs']:
        row = {'epoch': entry['epoch']}
        for key in (key for key in RANKED if key in entry):
            taus = []
            for name, values in entry[key].items():
                left = entry.get('importance', entry[key])[name]  # None: was pruned
                kept = [i for i, value in enumerate(left) if value is not None]
                try:
                    truth = [means[name][candidates[name][i]] for i in kept]
                except KeyError as error:
                    raise TableError(f'{table.name}: no cell has {error} at {name}') from None
                if len(kept) > 1:
                    taus.append(kendall_tau([values[i] for i in kept], truth))
            known = [tau for tau in taus if not np.isnan(tau)]
            row[key] = float(np.mean(known)) if known else float('nan')
        rows.append(row)
    return rows


def accuracies_by_epoch(
    record: Mapping[str, Any], table: NASBench201Table, dataset: str
) -> list[float]:
    """Return the trained accuracy of the cell of strongest operations, for each epoch.

    DARTS and CDARTS would derive this cell after the epoch (CDARTS, Fig. 3); NaN if the table lacks
    it.

    Args:
        record: The contents of ``search.json``, of a search in this space.
        table, dataset: See :func:`rank_correlations`.
    """
    found = []
    for _, genotype in strongest_by_epoch(record):
        known = genotype in table
        found.append(table.accuracy(genotype, dataset) if known else float('nan'))
    return found


def score_by_alpha(algorithm: SearchAlgorithm, genotype: Genotype) -> float:
    """Return the logarithm of the product of alpha's softmax over a cell's operations.

    CDARTS, Fig. 5, ranks architectures by their alpha.
    """
    path = algorithm.super_net.to_path(genotype)
    shares = algorithm.distribution()
    return float(sum(np.log(max(shares[name][i], 1e-300)) for name, (i,) in path.items()))


def draw_cells(
    table: NASBench201Table, algorithm: SearchAlgorithm, number: int, seed: int
) -> list[Genotype]:
    """Draw different cells uniformly from those in both the table and the super-net.

    Cells whose output does not depend on their input are left out.

    Raises:
        TableError: If there are fewer than ``number`` such cells, or ``number`` is below 2.
    """
    if number < 2:
        raise TableError(f'{number} cells have no ranking; expected 2 or more')
    net, drawn = algorithm.super_net, []
    for i in np.random.default_rng(seed).permutation(len(table)):
        genotype = NASBench201Table.decode(table.cells[i])
        try:
            path = net.to_path(genotype)
        except GenotypeError:  # an operation that this super-net lacks
            continue
        alive = all(set(kept) <= set(net.alive_candidates(name)) for name, kept in path.items())
        if alive and not net.remarks(path):
            drawn.append(genotype)
        if len(drawn) == number:
            return drawn
    raise TableError(f'{table.name}: only {len(drawn)} cells that the super-net has, not {number}')


def score_with_super_net(
    algorithm: SearchAlgorithm,
    genotype: Genotype,
    batches: Sequence[Any],
    loader: Any,
    evaluator: Any,
    network: str = 'search',
) -> dict[str, float]:
    """Return the metrics of a cell with the weights of a super-net.

    Args:
        algorithm: A trained search; its super-net's batch-norm statistics change.
        genotype: The cell.
        batches: Training batches to recompute batch-norm statistics; if empty, the statistics stay
            unchanged.
        loader: Batches of the validation set.
        evaluator: mmengine's evaluator of the metrics.
        network: ``'search'``: the network whose architecture is searched; ``'inherited'``: the
            network whose weights a derived network inherits (CDARTS: the evaluation network).

    Raises:
        GenotypeError: If the super-net lacks the cell.
    """
    from ..engine.evaluate import evaluate
    from ..spaces.mixture import Fixed
    from ..utils.batch_norm import recalibrate

    model: Any = algorithm.model if network == 'search' else algorithm.inherited[0]
    with model.backbone.using(Fixed(model.backbone.to_path(genotype))):
        recalibrate(model, batches, len(batches))
        return evaluate(model, loader, evaluator)
