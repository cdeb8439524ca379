"""The operations of all choices as one table: a row per choice, a column per candidate."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ..spaces.super_net import SuperNet


class OpTable(nn.Module):
    """View of a super-net's choices of operations; pruned candidates and padding are masked.

    Args:
        net: The super-net; it must learn operations.

    Attributes:
        choices: The choices, one for each row.
        width: Number of columns.

    Raises:
        ValueError: If the super-net learns no operations.
    """

    places: Tensor

    def __init__(self, net: SuperNet) -> None:
        super().__init__()
        self.choices = [c for c in net.choices.values() if not c.gates and c.learned]
        if not self.choices:
            raise ValueError(f'{net.space!r} has no operations to learn')
        self._net = [net]  # in a list, so that the net is not a submodule
        rows = [net.starts[c.name] + torch.arange(len(c.candidates)) for c in self.choices]
        places = pad_sequence(rows, batch_first=True, padding_value=-1)
        self.register_buffer('places', places, persistent=False)
        self.width = places.shape[1]

    def alive(self) -> Tensor:
        """Return a mask ``(rows, width)`` of the candidates that are left."""
        return self._net[0].alive[self.places] & (self.places >= 0)

    def logits(self) -> Tensor:
        """Return the architecture parameters ``(rows, width)``; minus infinity where masked."""
        rows = [self._net[0].arch[choice.name] for choice in self.choices]
        table = pad_sequence(rows, batch_first=True)
        return table.masked_fill(~self.alive(), -torch.inf)

    @torch.no_grad()
    def shares(self) -> Tensor:
        """Return beta, the softmax of the parameters over candidates left, in double precision."""
        return self.logits().double().softmax(1)

    def named(self, table: Tensor, mask: Tensor | None = None) -> dict[str, list[float | None]]:
        """Return the rows of a table by the names of the choices.

        Args:
            table: ``(rows, width)``.
            mask: Where to return a value rather than ``None``; default: candidates that are left.
        """
        shown = (self.alive() if mask is None else mask).tolist()
        found = {}
        for choice, values, given in zip(self.choices, table.tolist(), shown, strict=True):
            columns = range(len(choice.candidates))
            found[choice.name] = [round(values[i], 6) if given[i] else None for i in columns]
        return found
