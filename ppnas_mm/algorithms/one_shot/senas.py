"""SE-NAS: a one-shot super-net that shrinks and expands.

Paper: Improving One-Shot NAS with Shrinking-and-Expanding Supernet, Pattern Recognition 118, 2021,
Algorithm 1 and equations 4 to 7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log
from torch import Tensor

from ...costs.limits import ConstraintError
from ...spaces.mixture import Choice
from ...utils.registries import MODELS
from .operator_scores import (
    KINDS,
    operator_scores,
    selection_importance,
    shares_below,
    ties,
    weakest,
)
from .scored_models import SAMPLERS, Drawn, Model, Spot, stratified_models
from .spos import SPOS, first_batches

IDENTITIES = ('identity', 'skip_connect', 'shortcut')


@MODELS.register_module()
class SENAS(SPOS):
    """Train, drop the weakest operations, give merged layers their own weights, repeat (Algorithm
    1).

    The first stage lasts ``first_epochs``, each further one ``stage_epochs``.  Between two stages
    the ``drop`` operations of lowest score (eq. 7) are pruned, neighbouring choices are merged as
    long as they have at most ``threshold`` partial models, and each partial model gets its own copy
    of the weights.  The last stage ends with the selection; the search stops early if
    ``max_stages`` are done, the space has at most ``finish_size`` architectures or nothing can be
    dropped.

    Args:
        model: Config of the wrapped model; its backbone is a super-net.
        first_epochs: Number of epochs of the first stage (MobileNet-like space: 100, NAS-Bench-201:
            20).
        stage_epochs: Number of epochs of each later stage (5; 20).
        drop: Number of operations to drop after each stage, or ``'each'``: the weakest of every
            choice, which keeps fair sampling fair (Section 4.3).
        max_stages: Maximum number of stages that end with a shrinking; ``None``: as many as the
            epochs allow.
        finish_size: A space of at most this many architectures is not shrunk (open in the paper).
        threshold: Maximum number of partial models of merged choices; ``None``: no expansion.
        score: Kind of :func:`operator_scores`; ``'si'`` omits the confidence (Table 6).
        importance: What eq. 5 averages over the models with an operation: their ``'accuracy'``, or
            their ``'rank'`` among all scored models (0: worst, 1: best), which broken models
            influence less.
        models_per_op: Number of models over which an operation's importance is averaged (eq. 5).
        scoring_sampler: ``'uniform'``, or ``'depth_balanced'``: draw the number of identities
            first.
        scoring_recalibrate_batches: Number of training batches to recompute the batch-norm
            statistics of each scored model; ``None``: ``recalibrate_batches``; 0: use the
            statistics of each evaluated batch.
        drops: Pairs of a choice and an operation that each shrinking drops, instead of those of
            lowest score; this repeats a search's shrinking (``search.json``) with other settings.
        snapshots: See :class:`SPOS`.
        **kwargs: See :class:`SPOS` and :class:`SearchAlgorithm`.

    Raises:
        ValueError: If an option is out of range, or identities are to be balanced in a space
            without them.
    """

    prunes = True

    def __init__(
        self,
        model: dict,
        first_epochs: int = 100,
        stage_epochs: int = 5,
        drop: int | str = 10,
        max_stages: int | None = None,
        finish_size: int = 1,
        threshold: int | None = 50,
        score: str = 'confidence_product',
        importance: str = 'accuracy',
        models_per_op: int = 1000,
        scoring_sampler: str = 'uniform',
        scoring_recalibrate_batches: int | None = None,
        drops: Sequence[Sequence[Sequence[str]]] | None = None,
        snapshots: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, snapshots=snapshots, **kwargs)
        least = dict(
            first_epochs=first_epochs,
            stage_epochs=stage_epochs,
            drop=1 if drop == 'each' else drop,
            max_stages=1 if max_stages is None else max_stages,
            finish_size=finish_size,
            threshold=1 if threshold is None else threshold,
            models_per_op=models_per_op,
        )
        for key, value in least.items():
            if not isinstance(value, int) or value < 1:
                words = " or 'each'" if key == 'drop' else ''
                raise ValueError(f'{key}={value!r}: expected a whole number from 1{words}')
        if score not in KINDS or scoring_sampler not in SAMPLERS:
            raise ValueError(
                f'score={score!r}, scoring_sampler={scoring_sampler!r}: expected one of {KINDS}, '
                f'one of {SAMPLERS}'
            )
        self.first_epochs, self.stage_epochs = first_epochs, stage_epochs
        self.drop, self.max_stages, self.finish_size = drop, max_stages, finish_size
        self.threshold, self.score = threshold, score
        if importance not in ('accuracy', 'rank'):
            raise ValueError(f"importance={importance!r}: expected 'accuracy' or 'rank'")
        self.by_rank = importance == 'rank'
        self.models_per_op, self.scoring_sampler = models_per_op, scoring_sampler
        given = scoring_recalibrate_batches
        self.scoring_recalibrate_batches = self.recalibrate_batches if given is None else given
        if self.scoring_recalibrate_batches < 0:
            raise ValueError(f'scoring_recalibrate_batches={given}: expected 0 or more')
        self.drops = drops
        self.shrinking: dict[str, Any] | None = None
        self.drawn: Drawn | None = None
        if scoring_sampler == 'depth_balanced' and not self.identities():
            raise ValueError(
                f'scoring_sampler={scoring_sampler!r}: the space has none of {IDENTITIES}'
            )

    def remarks(self) -> list[str]:
        """Report a search that was too short to shrink."""
        if self.epochs is not None and self.epochs <= self.first_epochs:
            return [
                f'first_epochs={self.first_epochs}, but the search has {self.epochs} epochs: '
                'nothing was dropped'
            ]
        return []

    def stages_done(self, epoch: int) -> int:
        """Return how many stages have ended by an epoch."""
        return max(0, 1 + (epoch - self.first_epochs) // self.stage_epochs)

    def ends_stage(self, epoch: int) -> bool:
        """Return whether a stage ends with an epoch."""
        return self.stages_done(epoch) > self.stages_done(epoch - 1)

    @property
    def will_evaluate(self) -> bool:
        """Whether this epoch is the last of a stage or of the search."""
        return self.ends_stage(self.epoch) or super().will_evaluate

    def before_epoch(self, epoch: int) -> None:
        """Also reset what was dropped earlier."""
        super().before_epoch(epoch)
        self.shrinking = self.drawn = None

    def after_epoch(self, epoch: int) -> None:
        """Shrink and expand at the end of a stage; select at the end of the last one."""
        last = epoch == self.epochs
        if self.ends_stage(epoch) and not last:
            if self.stops(epoch):
                last = True
            else:
                self.shrink(self.stages_done(epoch))
                if self.threshold is not None:
                    self.super_net.expand(self.threshold)
                self._report_size()
        if last:
            self.select()

    def _report_size(self) -> None:
        size = self.details()['super_net']
        merged = '; '.join(', '.join(group) for group in size['merged']) or 'nothing'
        print_log(
            f'10^{size["log10_size"]:.1f} architectures, {size["parameters"]:,} parameters, '
            f'{size["memory_mib"]} MiB of weights and momentum; merged: {merged}',
            'current',
        )

    def stops(self, epoch: int) -> bool:
        """Return whether the space must not shrink any further."""
        sizes = [len(ops) for ops in self.paths.alive().values()]
        enough = self.max_stages is not None and self.stages_done(epoch) > self.max_stages
        return enough or math.prod(sizes) <= self.finish_size or not self._droppable()

    def _droppable(self) -> bool:
        alive = self.paths.alive()
        spots = {(name, i): 0.0 for name, ops in alive.items() for i in ops}
        return bool(weakest(spots, 1, alive, np.random.default_rng(0), self.limits.reachable))

    def shrink(self, stage: int) -> None:
        """Prune the operations of lowest score (Section 3.3).

        The last operation of a choice is never pruned, nor is one that the limits need.
        """
        alive = self.paths.alive()
        importance: dict[str, dict[int, float]] = {}
        scores: dict[tuple[str, int], float] = {}
        if self.drops is None:
            importance = self.importances()
            scores = operator_scores(importance, self.score)
            dropped = self._weakest(scores, alive, np.random.default_rng(self.draws.next()))
            self._report_ties(scores, dropped)
        else:
            dropped = self._given(stage)
        names = {n: self.super_net.choices[n].candidates for n in alive}
        for name, op in dropped:
            self.super_net.prune(name, op)
        unscored = {'unscored': self._named_spots(self.drawn.unscored if self.drawn else [])}
        self.shrinking = dict(
            stage=stage,
            **({} if self.drawn is None else {'scored': unscored | self.drawn.counts()}),
            dropped=[
                dict(
                    choice=n,
                    op=names[n][i],
                    score=_number(scores.get((n, i))),
                    importance=_number(importance.get(n, {}).get(i)),
                )
                for n, i in dropped
            ],
        )
        left = sum(map(len, self.paths.alive().values()))
        words = ', '.join(f'{n} {names[n][i]}' for n, i in dropped)
        print_log(f'Stage {stage}: dropped {words}; {left} operations left', 'current')

    def _given(self, stage: int) -> list[tuple[str, int]]:
        """Return the operations that :attr:`drops` lists for a shrinking (from 1)."""
        given = self.drops[stage - 1] if self.drops and stage <= len(self.drops) else ()
        try:
            return [(n, self.super_net.choices[n].candidates.index(op)) for n, op in given]
        except (KeyError, ValueError) as error:
            raise ValueError(
                f'drops[{stage - 1}]: {error}: expected pairs of a choice and one of its operations'
            ) from None

    def _named_spots(self, spots: Sequence[Spot]) -> list[str]:
        return [f'{name} {self.super_net.choices[name].candidates[i]}' for name, i in spots]

    def _report_ties(self, scores: Any, dropped: list[Spot]) -> None:
        """Report ties, which are broken at random."""
        equal = ties(scores, dropped)
        if equal:
            print_log(
                f'{len(equal)} operations that stay have the same score as a dropped one; '
                'ties are broken at random',
                'current',
            )

    def _weakest(
        self, scores: Any, alive: dict[str, tuple[int, ...]], rng: np.random.Generator
    ) -> list[Spot]:
        if self.drop != 'each':
            return weakest(scores, int(self.drop), alive, rng, self.limits.reachable)
        found: list[Spot] = []
        for name in alive:
            gone = dict(found)
            left = {n: tuple(i for i in ops if i != gone.get(n)) for n, ops in alive.items()}
            mine = {spot: score for spot, score in scores.items() if spot[0] == name}
            found += weakest(mine, 1, left, rng, self.limits.reachable)
        return found

    def importances(self) -> dict[str, dict[int, float]]:
        """Evaluate models of eq. 4 and return the importance of each operation (eq. 5)."""
        alive = self.paths.alive()
        rng = np.random.default_rng(self.draws.next())
        models = self.scored_paths(alive, rng)
        named = [{n: kept[0] for n, kept in path.items() if n in alive} for path in models]
        self.drawn = Drawn.of(named, alive, self.identities())
        print_log(self.drawn.words(self._named_spots(self.drawn.unscored)), 'current')
        accuracies = self._accuracies(models)
        if self.by_rank:
            accuracies = shares_below(accuracies)
        importance = selection_importance(named, accuracies, alive)
        row: Tensor = self.importance
        row.fill_(-math.inf)
        for name, values in importance.items():
            for i, value in values.items():
                row[self.super_net.starts[name] + i] = -math.inf if math.isnan(value) else value
        return importance

    def scored_paths(self, alive: dict[str, tuple[int, ...]], rng: np.random.Generator) -> list:
        """Draw the models on which operations are scored, within the upper limits.

        Raises:
            ConstraintError: If there are none.
        """
        models = [self.paths.whole(ops, rng) for ops in self._sample(alive, rng)]
        models = [path for path in models if self.limits.below(path)]
        if not models:
            raise ConstraintError(f'no drawn model is within the limits {self.limits.bounds}')
        return models

    def _accuracies(self, models: list) -> list[float]:
        """Return the accuracy of each model with recomputed batch-norm statistics."""
        count, loaders = self.scoring_recalibrate_batches, self.loaders
        training = first_batches(loaders['train'], count) if loaders and count else []
        buffers = {k: b.clone() for k, b in self.model.named_buffers()}
        with self.evaluation() as batches:
            found = [
                self.recalibrated_accuracy(path, batches, training)
                for path in self.reported(models, 'Scoring')
            ]
        for name, buffer in self.model.named_buffers():
            buffer.copy_(buffers[name])
        return found

    def batches_evaluated(self, epoch: int, train: int, val: int) -> int:
        """Return the number of batches of the shrinking or selection that ends an epoch.

        For later shrinkings it is an estimate, with operations dropped at random.
        """
        shrinkings = self._shrinkings_to_come()
        ahead = self.stages_done(epoch) - self.stages_done(self.epoch - 1)
        stops = len(shrinkings) - 1  # index of the final space
        last = epoch == self.epochs
        if ahead > stops + 1 or not (last or self.ends_stage(epoch)):
            return 0
        if last or ahead == stops + 1:
            kept = shrinkings[min(ahead, stops)]
            genes = {
                n: [(i,) for i in kept[n]] if n in kept else values
                for n, values in self.paths.genes().items()
            }
            return self._batches_selecting(genes, train, val)
        if self.drops is not None:
            return 0
        models = len(self.scored_paths(shrinkings[ahead - 1], np.random.default_rng(0)))
        return models * (min(train, self.scoring_recalibrate_batches) + self._val_batches(val))

    def _shrinkings_to_come(self) -> list[dict[str, tuple[int, ...]]]:
        """Return the operations left before each later shrinking and after the last, at random."""
        alive, rng = self.paths.alive(), np.random.default_rng(0)
        done = self.stages_done(self.epoch - 1)
        found = [alive]
        while self.max_stages is None or done + len(found) <= self.max_stages:
            if math.prod(map(len, alive.values())) <= self.finish_size:
                break
            scores = {(n, i): float(rng.random()) for n, ops in alive.items() for i in ops}
            dropped = self._weakest(scores, alive, rng)
            if not dropped:
                break
            alive = {
                n: tuple(i for i in ops if (n, i) not in set(dropped)) for n, ops in alive.items()
            }
            found.append(alive)
        return found

    def _sample(self, alive: dict[str, tuple[int, ...]], rng: np.random.Generator) -> list[Model]:
        """Draw the operations of models, with each operation in the required number of models."""
        identity = self.identities()
        return stratified_models(
            alive,
            self._models_per_op(),
            rng,
            () if self._gates_of_edges() else self.limits.caps(),
            self.scoring_sampler if identity else 'uniform',
            identity,
        )

    def _gates_of_edges(self) -> list[Choice]:
        nodes = [node for cell in self.super_net.layout.values() for node in cell.values()]
        return [n.gates for n in nodes if n.gates and n.ops[0].source is not None]

    def _models_per_op(self) -> int:
        """Return ``models_per_op``, increased if only some of the edges are in a model."""
        gates = self._gates_of_edges()
        shares = (len(c.candidates) / (c.keep or len(c.candidates) / 2) for c in gates)
        return math.ceil(self.models_per_op * max(shares, default=1))

    def identities(self) -> dict[str, int]:
        """Return the index of the identity in each choice that still has one."""
        choices = self.super_net.choices
        return {
            name: i
            for name, ops in self.paths.alive().items()
            for i in ops
            if choices[name].candidates[i] in IDENTITIES
        }

    def details(self) -> dict[str, Any]:
        """Also return the operations dropped after this epoch and the merged choices."""
        found = super().details()
        found['super_net']['merged'] = [
            list(group) for group in self.super_net.groups if len(group) > 1
        ]
        return found | ({} if self.shrinking is None else {'shrinking': self.shrinking})


def _number(value: float | None) -> float | None:
    """Return a number that JSON can represent, or ``None``."""
    return round(value, 6) if value is not None and math.isfinite(value) else None
