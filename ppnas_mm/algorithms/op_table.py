"""The operations of all choices as one table: a row a choice, a column a candidate."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ..spaces.super_net import SuperNet


class OpTable(nn.Module):
    """View of a super-net's choices of operations; what was pruned or is only padding is masked.

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
        self._net = [net]  # in a list: the net is no part of this module
        rows = [net.starts[c.name] + torch.arange(len(c.candidates)) for c in self.choices]
        places = pad_sequence(rows, batch_first=True, padding_value=-1)
        self.register_buffer('places', places, persistent=False)
        self.width = places.shape[1]

    def alive(self) -> Tensor:
        """Return which candidates are left, a mask ``(rows, width)``."""
        return self._net[0].alive[self.places] & (self.places >= 0)

    def logits(self) -> Tensor:
        """Return the architecture parameters ``(rows, width)``; minus infinity where masked."""
        rows = [self._net[0].arch[choice.name] for choice in self.choices]
        table = pad_sequence(rows, batch_first=True)
        return table.masked_fill(~self.alive(), -torch.inf)

    @torch.no_grad()
    def shares(self) -> Tensor:
        """Return beta, the softmax of the parameters over what is left, in double precision."""
        return self.logits().double().softmax(1)

    def named(self, table: Tensor, mask: Tensor | None = None) -> dict[str, list[float | None]]:
        """Return the rows of a table by the names of the choices.

        Args:
            table: ``(rows, width)``.
            mask: Where there is a value, else ``None``; default: what was not pruned.
        """
        shown = (self.alive() if mask is None else mask).tolist()
        found = {}
        for choice, values, given in zip(self.choices, table.tolist(), shown, strict=True):
            columns = range(len(choice.candidates))
            found[choice.name] = [round(values[i], 6) if given[i] else None for i in columns]
        return found
