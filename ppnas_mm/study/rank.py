"""How the super-net of a finished search ranks architectures of a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.nasbench201 import score_by_alpha
from ..analysis.super_net_scores import Scorer, load_search
from ..genotype import Genotype
from ..tables import TABLES
from .plan import Plan, Row


def draw(plan: Plan, seed: int = 0) -> list[Genotype]:
    """Draw different architectures of the table uniformly, the same for every row."""
    table = TABLES[plan.space].load(plan.table)
    rows = np.random.default_rng(seed).permutation(len(table))[: plan.cells]
    return [table.decode(table.cells[i]) for i in rows]


def rank_architectures(plan: Plan, row: Row, seed: int, folder: Path) -> dict[str, Any]:
    """Return the score of drawn architectures by a finished search; ``None``: it has lost them.

    Args:
        plan: The study.
        row: The row; its ``ranks`` says what scores.
        seed: Seed of the search.
        folder: Its work dir, with a checkpoint.
    """
    options = {**plan.options, **row.options}
    algorithm, loaders = load_search(str(row.config), folder, seed, options)
    table = TABLES[plan.space]
    scores = {}
    score = score_by_alpha if row.ranks == 'alpha' else Scorer(algorithm, loaders)
    for genotype in draw(plan):
        path = algorithm.super_net.to_path(genotype)
        alive = all(
            set(kept) <= set(algorithm.super_net.alive_candidates(n)) for n, kept in path.items()
        )
        value = score(algorithm, genotype) if alive else None
        scores[table.encode(genotype)] = None if value is None else round(value, 5)
    return dict(by=row.ranks, scores=scores)
