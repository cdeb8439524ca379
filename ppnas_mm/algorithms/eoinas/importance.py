"""The operation importance indicator (EoiNAS, Section III-B, equations 8 to 10)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

KINDS = ('paper', 'code', 'beta')


class OperationImportance(nn.Module):
    """Accuracy A and training epochs E of every operation on every edge, and the indicator I.

    Tables have a row for each choice and a column for each operation.  Letters in brackets refer
    to the rows of ``docs/explanation/decisions.md``.

    Args:
        rows, columns: Size of the tables.
        kind: ``'paper'``: I = S + weight beta (eq. 10); ``'code'``: I = beta + weight C (the
            authors' code); ``'beta'``: I = beta, Table III without the indicator (m: C rewards
            operations that are rarely drawn; kept as in the paper).
        weight: lambda of eq. 10 (t: in the code it stands at the other term).
        accuracy: ``'epoch'``: A is the mean over the steps of the epoch in which the operation was
            drawn, or stays as it was if there were none; ``'last'``: that of the last such step
            (j, the code).
        scale: Factor of A, a share in [0, 1]; the code has per cent, 100 (j).
        unit: E counts ``'epochs'`` (steps by steps an epoch) or ``'steps'`` (k, the code).
        forget: Whether E starts anew at each pruning (k: the code; the paper's Algorithm 1 never
            resets it).
        unsampled: What C is where nothing was drawn yet: ``'mean'`` of the edge's other operations
            or ``'zero'`` (l; the code divides zero by zero).

    Raises:
        ValueError: If an option is unknown.
    """

    accuracy: Tensor
    trained: Tensor
    correct: Tensor
    seen: Tensor
    steps: Tensor

    def __init__(
        self,
        rows: int,
        columns: int,
        kind: str = 'paper',
        weight: float = 0.5,
        accuracy: str = 'epoch',
        scale: float = 1.0,
        unit: str = 'epochs',
        forget: bool = False,
        unsampled: str = 'mean',
    ) -> None:
        super().__init__()
        for name, value, known in (
            ('kind', kind, KINDS),
            ('accuracy', accuracy, ('epoch', 'last')),
            ('unit', unit, ('epochs', 'steps')),
            ('unsampled', unsampled, ('mean', 'zero')),
        ):
            if value not in known:
                raise ValueError(f'indicator.{name}={value!r}: expected one of {known}')
        self.kind, self.weight, self.scale = kind, weight, scale
        self.last, self.in_epochs = accuracy == 'last', unit == 'epochs'
        self.forget, self.fill = forget, unsampled == 'mean'
        zeros = torch.zeros(rows, columns, dtype=torch.double)
        self.register_buffer('accuracy', zeros - 1)  # below 0: not known yet
        self.register_buffer('trained', zeros.clone())
        # of this epoch; floating-point buffers, whose mean over the processes `Replicas` takes
        self.register_buffer('correct', zeros.clone(), persistent=False)
        self.register_buffer('seen', zeros.clone(), persistent=False)
        self.register_buffer('steps', zeros.new_zeros(()), persistent=False)

    def count_training(self, drawn: Tensor) -> None:
        """Count a step of the weights with the columns ``drawn``, ``(rows,)``."""
        self.trained[torch.arange(len(drawn), device=drawn.device), drawn] += 1
        self.steps += 1

    def count_accuracy(self, drawn: Tensor, accuracy: Tensor) -> None:
        """Take in the accuracy, a share, of a step of alpha with the columns ``drawn``."""
        spots = torch.arange(len(drawn), device=drawn.device), drawn
        if self.last:
            self.correct[spots] = 0
            self.seen[spots] = 0
        self.correct[spots] += accuracy.double()
        self.seen[spots] += 1

    def finish_epoch(self) -> None:
        """Turn the epoch's sums into A."""
        new = self.correct / self.seen.clamp(min=1)
        self.accuracy = torch.where(self.seen > 0, new, self.accuracy)

    def start_epoch(self) -> None:
        """Forget the sums of the epoch before."""
        for sums in (self.correct, self.seen, self.steps):
            sums.zero_()

    def on_pruning(self) -> None:
        """Let E start anew, if it shall."""
        if self.forget:
            self.trained.zero_()

    def forward(self, beta: Tensor, alive: Tensor) -> Tensor:
        """Return the indicator I of the operations alive, 0 of the others.

        Args:
            beta: The softmax of alpha over the operations alive.
            alive: Mask of the operations that were not pruned.
        """
        if self.kind == 'beta':
            return beta
        if self.kind == 'code':
            return torch.where(alive, beta + self.weight * self._relative_accuracy(alive), 0.0)
        return self.accuracy_share(alive) + self.weight * beta  # eq. 10

    def accuracy_share(self, alive: Tensor) -> Tensor:
        """Return S, the softmax of C over the operations alive of each edge (eq. 9)."""
        return self._relative_accuracy(alive).masked_fill(~alive, -torch.inf).softmax(1)

    def _relative_accuracy(self, alive: Tensor) -> Tensor:
        """C = A / E (eq. 8) of what was drawn for both A and E; of the others see ``unsampled``."""
        epochs = self.trained / self.steps.clamp(min=1) if self.in_epochs else self.trained
        sampled = alive & (self.accuracy >= 0) & (self.trained > 0)
        c = torch.where(sampled, self.scale * self.accuracy / epochs, 0.0)
        if self.fill:
            mean = c.sum(1, keepdim=True) / sampled.sum(1, keepdim=True).clamp(min=1)
            c = torch.where(sampled, c, mean)
        return c
