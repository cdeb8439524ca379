"""EoiNAS: operation importance and a high-order Markov chain that prunes the search space.

Paper: Exploiting Operation Importance for Differentiable Neural Architecture Search, TNNLS 2022,
Algorithm 1 and equations 3 to 12.  The paper leaves much open: ``docs/explanation/decisions.md``
has a lettered row for each question; letters in brackets refer to these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...spaces.mixture import ArchPath
from ...utils.registries import MODELS
from ...visualize.importance import draw_importance, draw_importance_table
from ..discretise import strongest
from ..gdas import GDAS, Temperature
from .importance import OperationImportance
from .markov import LiveDie
from .slimming import Plan, Slimming


@MODELS.register_module()
class EoiNAS(GDAS):
    """Efficient NAS with operation importance (Algorithm 1).

    After ``warmup_epochs`` the search records the accuracy and the training of every operation on
    every edge.  Each epoch ends with the indicator I (eq. 8 to 10) and a step of the Markov chain
    (eq. 11).  After the epochs ``begin``, ``begin + interval``, ... each edge loses the operation
    most likely to be in the state Die, until one is left.  The architecture has the edges that were
    strongest by I before the last pruning, because after it all are equal.

    The schedule follows the number of epochs of the run: with n operations per edge, warm-up and
    intervals take 1/n of it each and the last pruning ends it (paper: 160 epochs, 8 operations).

    Args:
        model: Config of the wrapped model; its backbone is a super-net.
        temperature: See :class:`GDAS`; by default 5 during warm-up, then falling exponentially to 5
            x 0.965^139 in the last epoch (authors' code, for 160 epochs; the paper: "5.0 to 0,
            exponential").
        warmup_epochs: Number of epochs at the start that train only the weights; ``None``: an
            interval.
        init_std: The paper starts alpha at 0, the code at 1e-3 x N(0, 1) (t).
        indicator: Arguments of :class:`OperationImportance` (j to m).
        chain: Arguments of :class:`LiveDie` (b to i).
        slimming: Arguments of :class:`Slimming`; ``False``: no pruning; I decides at the end (Table
            III without SSS).  ``slimming.step`` is one epoch or, for the paper's words "every k
            epochs as a step ... at each step we judge the most inferior and prune it", with
            ``chain.against='before'``, the interval of prunings (a).
        **kwargs: See :class:`GDAS` and :class:`SearchAlgorithm`.

    Raises:
        ValueError: If an option is out of range.
    """

    current: Tensor
    ranking: Tensor
    prunings: Tensor
    usual_epochs = 160

    def __init__(
        self,
        model: dict,
        temperature: dict | None = None,
        warmup_epochs: int | None = None,
        init_std: float = 0.0,
        indicator: dict | None = None,
        chain: dict | None = None,
        slimming: dict | bool = True,
        **kwargs: Any,
    ) -> None:
        given = dict(start=5.0, end=5 * 0.965**139, shape='exponential') | (temperature or {})
        super().__init__(model, given, warmup_epochs or 0, init_std=init_std, **kwargs)
        self.derives_warmup = warmup_epochs is None
        size = len(self.table.choices), self.table.width
        self.importance = OperationImportance(*size, **(indicator or {}))
        self.chain = LiveDie(*size, **(chain or {}))
        self.slims = self.prunes = slimming is not False
        self.slimming = Slimming(**(slimming if isinstance(slimming, Mapping) else {}))
        self.fresh_moments = False
        # I of this epoch, and before the last pruning
        for name in ('current', 'ranking'):
            self.register_buffer(name, torch.zeros(size, dtype=torch.double))
        self.register_buffer('prunings', torch.zeros((), dtype=torch.long))
        if self.slimming.interval or not self.slimming.step:  # else it follows from the run
            _ = self.plan  # raises

    @property
    def plan(self) -> Plan:
        """The epochs of warm-up, steps and prunings."""
        warmup = None if self.derives_warmup else self.given_warmup
        step = 1 if self.chain.against == 'edge' else None
        return self.slimming.plan(self.length, self.table.width - 1, warmup, step)

    @property
    def warmup_epochs(self) -> int:
        """Number of epochs at the start that train only the weights."""
        return self.plan.warmup

    @property
    def temperature(self) -> Temperature:
        """The temperature of each epoch; it is constant during warm-up."""
        given = {'epochs': self.length, 'hold': self.warmup_epochs, **self.given_temperature}
        return Temperature(**given)

    def attach(self, loaders: Mapping[str, Any], epochs: int) -> None:
        """Check that the schedules end with the run; raises the errors of :class:`GDAS`."""
        super().attach(loaders, epochs)
        if self.slims:
            self.slimming.check(self.plan, epochs)

    def before_epoch(self, epoch: int) -> None:
        """Also reset the counts of the last epoch."""
        super().before_epoch(epoch)
        self.importance.start_epoch()
        forget = self.slims and not self.slimming.keep_moments
        self.fresh_moments = forget and self.plan.due(epoch - 1)

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Train as GDAS does; reset Adam's moments of alpha after a pruning, if configured."""
        if self.fresh_moments:
            optim_wrapper['arch'].optimizer.state.clear()
            self.fresh_moments = False
        return super().train_step(data, optim_wrapper)

    def on_training(self, drawn: Tensor) -> None:
        """Count the training E of the drawn operations."""
        self.importance.count_training(drawn)

    def on_validation(self, drawn: Tensor, accuracy: Tensor) -> None:
        """Count the accuracy A of the drawn operations."""
        self.importance.count_accuracy(drawn, accuracy / 100)

    @torch.no_grad()
    def after_epoch(self, epoch: int) -> None:
        """Update the indicator and the states; prune when due."""
        plan, alive = self.plan, self.table.alive()
        if epoch <= plan.warmup:
            return
        self.importance.finish_epoch()
        self.current = self.importance(self.table.shares(), alive)
        if not self.slims:
            return
        if plan.steps(epoch):
            total = max(1, self.table.width - 1)
            self.chain.step(self.current, alive, min(1.0, int(self.prunings) / total))
        if plan.due(epoch) and not self.decided:
            self._slim()

    def _slim(self) -> None:
        several = self.table.alive().sum(1, keepdim=True) > 1
        self.ranking = torch.where(several, self.current, self.ranking)
        die, importance = map(self._by_name, (self.chain.die, self.current))
        for name, candidate in self.slimming.worst(self.super_net, die, importance):
            self.super_net.prune(name, candidate)
        self.prunings += 1
        beta, alive = self.table.shares(), self.table.alive()
        self.current = self.importance(beta, alive)
        self.importance.on_pruning()
        # otherwise all others would seem to increase once some are pruned, and after a reset of E
        # no S is comparable with one from before (f)
        self.chain.before = self.importance(beta, alive)

    @property
    def decided(self) -> bool:
        """Whether one operation is left on every edge."""
        return bool((self.table.alive().sum(1) == 1).all())

    @torch.no_grad()
    def decide(self, strict: bool) -> ArchPath:
        """Keep the operation of largest I on each edge and the strongest edges of each node.

        When one operation per edge is left, I is that before the last pruning; ``none`` is ignored
        (n).  During warm-up beta is used instead of I.
        """
        scores = self.ranking if self.decided else self.current
        if not bool(scores.any()):
            scores = self.table.shares()
        path = strongest(self.super_net, self._by_name(scores))
        if strict:
            self.super_net.check(path)
        return path

    def _by_name(self, table: Tensor) -> dict[str, list[float]]:
        names = [choice.name for choice in self.table.choices]
        return dict(zip(names, table.tolist(), strict=True))

    def pictures(self) -> dict[str, Any]:
        """Return the pictures of the importance, once it is known."""
        if not bool(self.current.any()):
            return {}
        return {'importance.svg': draw_importance, 'importance_table.svg': draw_importance_table}

    def details(self) -> dict[str, Any]:
        """Return I, S and, with pruning, the probability of Live for every operation.

        They are known after the warm-up.  When every edge is decided, also return ``ranking``, the
        importance before the last pruning.
        """
        if not bool(self.current.any()):
            return {}
        share = self.importance.accuracy_share(self.table.alive())
        found: dict[str, Any] = {
            'importance': self.table.named(self.current),
            'accuracy_share': self.table.named(share),
        }
        if self.slims:
            found['live'] = self.table.named(self.chain.live[0])
        if self.slims and self.decided:
            found['ranking'] = self.table.named(self.ranking, self.ranking > 0)
        return found

    def remarks(self) -> list[str]:
        """Report choices on which slimming is not finished."""
        several = int((self.table.alive().sum(1) > 1).sum())
        if not self.slims or not several:
            return []
        where = f'{several} of {len(self.table.choices)} choices'
        return [
            f'slimming is not finished: {where} have several operations left, so importance '
            'decides; see slimming.begin and slimming.interval'
        ]
