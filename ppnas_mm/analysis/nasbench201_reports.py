"""Text reports about a cell, a super-net and a search from NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from typing import Any

import numpy as np

from ..algorithms import SearchAlgorithm
from ..config.keys import ConfigError
from ..engine.seed import mix_seed, set_epoch
from ..genotype import Genotype
from ..tables import NASBench201Table, TableError
from ..utils.files import read_json
from ..utils.tables import table as format_table
from ..weights.checkpoint import load_weights
from .nasbench201 import (
    RANKED,
    accuracies_by_epoch,
    draw_cells,
    rank_correlations,
    score_by_alpha,
    score_with_super_net,
)
from .statistics import kendall_tau

NAMES = {'architecture': 'beta', 'accuracy_share': 'S', 'importance': 'I', 'live': 'Live'}
"""Titles of the columns of :func:`follow`."""


def look_up(table: NASBench201Table, source: str, dataset: str | None = None) -> str:
    """Return the entries of a table for a cell.

    Args:
        table: The table.
        source: Name or file of the cell's genotype.
        dataset: A data set of the table; ``None``: all.
    """
    genotype, rows = Genotype.load(source), []
    for name in table.datasets if dataset is None else [table.dataset(dataset)]:
        optimum, accuracy = table.optimum(name), table.accuracy(genotype, name)
        numbers = [f'{v:.2f}' for v in (accuracy, optimum, table.regret(genotype, name))]
        rows.append([name, numbers[0], f'{table.rank(genotype, name):,}', *numbers[1:]])
    header = ['data set', 'accuracy', f'rank of {len(table):,}', 'optimum', 'distance']
    return f'{NASBench201Table.encode(genotype)}\n{format_table(header, rows)}'


def judge(
    table: NASBench201Table,
    config: Any,
    name: str,
    checkpoint: str,
    networks: Sequence[str] = ('search',),
    cells: int = 100,
    batches: int = 20,
    seed: int = 0,
    dataset: str | None = None,
) -> Iterator[str]:
    """Score random cells with a super-net's weights; yield lines, the last with Kendall's tau.

    Args:
        table: Accuracies of the trained cells.
        config: A search in the space, as from :func:`~ppnas_mm.engine.run.load_run`.
        name: Name of the config in messages.
        checkpoint: The super-net's weights.
        networks: Networks that score, see :func:`score_of`; with several, also their correlation.
        cells, seed: Number of random cells, and seed of their draw.
        batches: Number of training batches to recompute batch-norm statistics for each cell.
        dataset: Of the table; ``None``: CIFAR-10.

    Raises:
        ConfigError: If the config is of something else, or has no validation.
    """
    dataset = table.dataset(dataset or 'cifar10-test')
    algorithm, loop, training = _prepare(config, name, checkpoint, batches)
    drawn = draw_cells(table, algorithm, cells, seed)
    found: dict[str, list[float]] = {network: [] for network in networks}
    metrics, truth = {}, []
    for i, cell in enumerate(drawn, 1):
        for network in networks:
            metrics[network], score = score_of(algorithm, cell, training, loop, network)
            found[network].append(score)
        truth.append(table.accuracy(cell, dataset))
        words = ' '.join(f'{scores[-1]:.2f}' for scores in found.values())
        yield f'[{i}/{len(drawn)}] {NASBench201Table.encode(cell)} {words} trained {truth[-1]:.2f}'
    for network, scores in found.items():
        best = drawn[max(range(len(drawn)), key=scores.__getitem__)]
        yield (
            f"Kendall's tau of {metrics[network]} with {checkpoint} ({network} network) to "
            f'{dataset} of {table.name}: {kendall_tau(scores, truth):.3f} ({len(drawn)} cells, '
            f'seed {seed}, batch norms recalibrated on {len(training)} batches)\n'
            f'best by the super-net: {NASBench201Table.encode(best)}, '
            f'rank {table.rank(best, dataset):,} of {len(table):,}'
        )
    for one, two in combinations(found, 2):
        tau = kendall_tau(found[one], found[two])
        yield f"Kendall's tau between {one} and {two}: {tau:.3f}"


def _prepare(config: Any, name: str, checkpoint: str, batches: int) -> tuple[Any, Any, list]:
    """Return the trained search, the validation loop, and training batches for all cells.

    Raises:
        ConfigError: If the config is of something else, or has no validation.
    """
    from mmengine.runner import set_random_seed

    from ..engine.runner import Runner

    runner = Runner.from_cfg(config)
    algorithm: Any = runner.model
    if not isinstance(algorithm, SearchAlgorithm) or algorithm.super_net.space != 'nasbench201':
        raise ConfigError(f'{name}: expected the config of a search in space nasbench201')
    if runner.val_loop is None:
        raise ConfigError(f'{name} has no val_dataloader')
    load_weights(algorithm, checkpoint)
    loader = runner.train_dataloader
    set_epoch(loader, runner.seed, 0, 0)
    set_random_seed(mix_seed(runner.seed, 0, 0))
    return algorithm, runner.val_loop, list(islice(iter(loader), batches))


def score_of(
    algorithm: Any, cell: Genotype, batches: list, loop: Any, network: str
) -> tuple[str, float]:
    """Return the name and the value of a cell's score.

    Args:
        algorithm: A trained search.
        cell: The cell.
        batches: Training batches that batch norms see.
        loop: The runner's validation loop.
        network: ``'alpha'``, or see :func:`~.nasbench201.score_with_super_net`.
    """
    if network == 'alpha':
        return 'log-probability', score_by_alpha(algorithm, cell)
    given = (algorithm, cell, batches, loop.dataloader, loop.evaluator, network)
    return next(iter(score_with_super_net(*given).items()))


def follow(table: NASBench201Table, path: str, dataset: str | None = None) -> str:
    """Return how a search ranked the operations, in about ten of its epochs.

    Args:
        table: Accuracies of the trained cells.
        path: ``search.json`` of a search in the space.
        dataset: Of the table; ``None``: CIFAR-10.

    Raises:
        TableError: If the file is not such a record.
    """
    try:
        record = read_json(path)
        epochs = len(record['epochs'])
        if not epochs:
            raise ValueError('no epochs')
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TableError(f'{path}: not the record of a search: {error!r:.200}') from None
    dataset = table.dataset(dataset or 'cifar10-test')
    found = rank_correlations(record, table, dataset)
    accuracies = accuracies_by_epoch(record, table, dataset)
    picked = sorted({max(0, epochs * n // 10 - 1) for n in range(1, 11)})
    rows = [found[i] for i in picked]
    columns = [key for key in RANKED if any(key in row for row in found)]
    cells = [
        [
            str(row['epoch']),
            *(f'{row[key]:.2f}' if key in row else '-' for key in columns),
            '-' if np.isnan(accuracies[i]) else f'{accuracies[i]:.2f}',
        ]
        for i, row in zip(picked, rows, strict=True)
    ]
    header = ['epoch', *(NAMES[key] for key in columns), 'accuracy']
    return (
        f"Kendall's tau of the operations left on an edge to {dataset} of {table.name}\n"
        f'accuracy: of the cell of the strongest operations, there\n{format_table(header, cells)}'
    )
