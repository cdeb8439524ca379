"""EoiNAS: operation importance and a high-order Markov chain that slims the search space.

Paper: Exploiting Operation Importance for Differentiable Neural Architecture Search, TNNLS 2022,
Algorithm 1 and equations 3 to 12.  What the paper leaves open is settled in ``docs/design.md``, a
lettered row for each question; the letters in brackets are its rows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..registry import MODELS
from ..spaces.mixture import Path
from .discretise import strongest
from .gdas import GDAS
from .importance import OperationImportance
from .markov import LiveDie
from .slimming import Slimming


@MODELS.register_module()
class EoiNAS(GDAS):
    """Efficient NAS with operation importance (Algorithm 1).

    After ``warmup_epochs`` the accuracy and the training of every operation on every edge are
    counted; each epoch ends with the indicator I (eq. 8 to 10) and a step of the Markov chain
    (eq. 11), and after the epochs ``begin``, ``begin + interval``, ... each edge loses the
    operation most probably in the state Die, until one is left.  The architecture has the edges
    that were strongest by I before the last pruning, because after it all are equal.

    Args:
        model: Config of the wrapped model; its backbone is a super-net.
        temperature: See :class:`GDAS`; the default is 5 for 20 epochs, then 5 x 0.965^n up to epoch
            160 (authors' code; the paper: "5.0 to 0, exponential").
        warmup_epochs: Epochs at the start in which only the weights learn.
        init_std: The paper starts alpha at 0, the code at 1e-3 x N(0, 1) (t).
        indicator: Arguments of :class:`OperationImportance` (j to m).
        chain: Arguments of :class:`LiveDie` (b to i).
        slimming: Arguments of :class:`Slimming`; ``False``: nothing is pruned, and I decides at the
            end (Table III without SSS).
        **kwargs: See :class:`GDAS` and :class:`SearchAlgorithm`.

    Raises:
        ValueError: If an option is out of range.
    """

    current: Tensor
    before: Tensor
    ranking: Tensor
    prunings: Tensor

    def __init__(
        self,
        model: dict,
        temperature: dict | None = None,
        warmup_epochs: int = 20,
        init_std: float = 0.0,
        indicator: dict | None = None,
        chain: dict | None = None,
        slimming: dict | bool = True,
        **kwargs: Any,
    ) -> None:
        if warmup_epochs < 0:
            raise ValueError(f'warmup_epochs={warmup_epochs}: below 0')
        default = dict(start=5.0, end=5 * 0.965**139, epochs=160, shape='exponential')
        given = dict(hold=warmup_epochs, **default) | (temperature or {})
        super().__init__(model, given, warmup_epochs, init_std=init_std, **kwargs)
        size = len(self.table.choices), self.table.width
        self.importance = OperationImportance(*size, **(indicator or {}))
        self.chain = LiveDie(*size, **(chain or {}))
        self.slimming: Slimming | None = None
        if slimming is not False:
            self.slimming = Slimming(**({} if slimming is True else slimming))
            if self.slimming.begin <= warmup_epochs:
                raise ValueError(
                    f'slimming.begin={self.slimming.begin}: within the {warmup_epochs} epochs of '
                    'warm-up, in which no importance is known'
                )
        self.fresh_moments = False
        zeros = torch.zeros(size, dtype=torch.double)
        # I of this epoch, of the last step of the chain, and before the last pruning
        for name in ('current', 'before', 'ranking'):
            self.register_buffer(name, zeros.clone())
        self.register_buffer('prunings', torch.zeros((), dtype=torch.long))

    def before_epoch(self, epoch: int) -> None:
        """Also forget what the epoch before counted."""
        super().before_epoch(epoch)
        self.importance.start_epoch()
        slimming = self.slimming
        self.fresh_moments = bool(
            slimming and not slimming.keep_moments and slimming.due(epoch - 1)
        )

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Train as GDAS does; after a pruning, if asked for, with new moments of alpha's Adam."""
        if self.fresh_moments:
            optim_wrapper['arch'].optimizer.state.clear()
            self.fresh_moments = False
        return super().train_step(data, optim_wrapper)

    def on_training(self, drawn: Tensor) -> None:
        """Count the training E of what was drawn."""
        self.importance.count_training(drawn)

    def on_validation(self, drawn: Tensor, accuracy: Tensor) -> None:
        """Count the accuracy A of what was drawn."""
        self.importance.count_accuracy(drawn, accuracy / 100)

    @torch.no_grad()
    def after_epoch(self, epoch: int) -> None:
        """Update indicator and states; prune when it is time."""
        if epoch <= self.warmup_epochs:
            return
        self.importance.finish_epoch()
        self.current = self.importance(self.table.shares(), self.table.alive())
        if self.slimming is None:
            return
        if (epoch - self.warmup_epochs) % self.slimming.step == 0:
            first = int(self.chain.known) == 1 and not bool(self.before.any())
            change = torch.zeros_like(self.current) if first else self.current - self.before
            total = max(1, self.table.width - 1)
            self.chain.step(change, min(1.0, int(self.prunings) / total))
            self.before = self.current
        if self.slimming.due(epoch) and not self.decided:
            self._slim(self.slimming)

    def _slim(self, slimming: Slimming) -> None:
        several = self.table.alive().sum(1, keepdim=True) > 1
        self.ranking = torch.where(several, self.current, self.ranking)
        die, importance = map(self._by_name, (self.chain.die, self.current))
        for name, candidate in slimming.worst(self.super_net, die, importance):
            self.super_net.prune(name, candidate)
        self.prunings += 1
        # without what was pruned all others would seem to have gained
        self.current = self.importance(self.table.shares(), self.table.alive())
        if slimming.renormalise:
            self.before = self.current
        self.importance.on_pruning()
        if slimming.reset:
            self.chain.reset()

    @property
    def decided(self) -> bool:
        """Whether one operation is left on every edge."""
        return bool((self.table.alive().sum(1) == 1).all())

    @torch.no_grad()
    def decide(self, strict: bool) -> Path:
        """Keep on each edge its operation with the largest I, of each node its strongest edges.

        I is that before the last pruning once one operation an edge is left; ``none`` counts for
        nothing (n).  In the warm-up beta stands in for I.
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

    def details(self) -> dict[str, Any]:
        """Return importance and probability of Live of every operation, after the warm-up.

        Once all is decided also ``ranking``, the importance before the last pruning.
        """
        if not bool(self.current.any()):
            return {}
        found: dict[str, Any] = {'importance': self.table.named(self.current)}
        if self.slimming is not None:
            found['live'] = self.table.named(self.chain.live[0])
        if self.slimming is not None and self.decided:
            found['ranking'] = self.table.named(self.ranking, self.ranking > 0)
        return found

    def remarks(self) -> list[str]:
        """Say where slimming has not come to its end."""
        several = int((self.table.alive().sum(1) > 1).sum())
        if self.slimming is None or not several:
            return []
        where = f'{several} of {len(self.table.choices)} choices'
        return [
            f'slimming is not finished: {where} have several operations left, and importance '
            'decides; see slimming.begin and slimming.interval'
        ]
