"""The operation importance indicator (EoiNAS, Section III-B, equations 8 to 10)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

KINDS = ('paper', 'code', 'beta')


class OperationImportance(nn.Module):
    """Accuracy A and training epochs E of every operation on every edge, and the indicator I.

    Tables have a row for each choice and a column for each operation.  Letters in brackets refer to
    rows of ``docs/explanation/decisions.md``.

    Args:
        rows, columns: Size of the tables.
        kind: ``'paper'``: I = S + weight beta (eq. 10); ``'code'``: I = beta + weight C (the
            authors' code); ``'beta'``: I = beta, Table III without the indicator (m: C favours
            rarely drawn operations, as in the paper).
        weight: lambda of eq. 10 (t: the code applies it to the other term).
        accuracy: ``'epoch'``: A is the mean over the epoch's steps that drew the operation, and
            unchanged if none did; ``'last'``: A is that of the last such step (j, the code).
        scale: Factor of A, which is in [0, 1]; the code uses per cent, so 100 (j).
        unit: E counts ``'epochs'`` (steps divided by steps per epoch) or ``'steps'`` (k, the code).
        forget: Whether each pruning resets E (k: the code; the paper's Algorithm 1 never resets
            it).
        unsampled: C of operations not drawn yet: ``'mean'`` of the edge's other operations or
            ``'zero'`` (l; the code divides zero by zero).

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
        # of this epoch; floating-point buffers, so that `Replicas` averages them over the processes
        self.register_buffer('correct', zeros.clone(), persistent=False)
        self.register_buffer('seen', zeros.clone(), persistent=False)
        self.register_buffer('steps', zeros.new_zeros(()), persistent=False)

    def count_training(self, drawn: Tensor) -> None:
        """Count a step of the weights with the columns ``drawn``, ``(rows,)``."""
        self.trained[torch.arange(len(drawn), device=drawn.device), drawn] += 1
        self.steps += 1

    def count_accuracy(self, drawn: Tensor, accuracy: Tensor) -> None:
        """Count the accuracy, in [0, 1], of a step of alpha with the columns ``drawn``."""
        spots = torch.arange(len(drawn), device=drawn.device), drawn
        if self.last:
            self.correct[spots] = 0
            self.seen[spots] = 0
        self.correct[spots] += accuracy.double()
        self.seen[spots] += 1

    def finish_epoch(self) -> None:
        """Compute A from the epoch's sums."""
        new = self.correct / self.seen.clamp(min=1)
        self.accuracy = torch.where(self.seen > 0, new, self.accuracy)

    def start_epoch(self) -> None:
        """Reset the sums of the last epoch."""
        for sums in (self.correct, self.seen, self.steps):
            sums.zero_()

    def on_pruning(self) -> None:
        """Reset E if ``forget`` is set."""
        if self.forget:
            self.trained.zero_()

    def forward(self, beta: Tensor, alive: Tensor) -> Tensor:
        """Return the indicator I of the operations alive, and 0 for the others.

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
        """C = A / E (eq. 8) where A and E are known; elsewhere as ``unsampled`` says."""
        epochs = self.trained / self.steps.clamp(min=1) if self.in_epochs else self.trained
        sampled = alive & (self.accuracy >= 0) & (self.trained > 0)
        c = torch.where(sampled, self.scale * self.accuracy / epochs, 0.0)
        if self.fill:
            mean = c.sum(1, keepdim=True) / sampled.sum(1, keepdim=True).clamp(min=1)
            c = torch.where(sampled, c, mean)
        return c
