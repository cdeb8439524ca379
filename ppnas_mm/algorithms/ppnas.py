"""PP-NAS: one-level search with zero-one loss and connection-existence loss.

Paper: PP-NAS, TNNLS 2023, Section III-B and III-C, equations 3 to 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..spaces.mixture import ArchPath
from ..utils.registries import MODELS
from .base import SearchAlgorithm

REDUCTIONS = ('sum', 'mean')


@MODELS.register_module()
class PPNAS(SearchAlgorithm):
    """One-level search: one backward pass trains weights and architecture on the training set.

    Total loss (eq. 5): task loss + zero-one loss (eq. 3) + connection-existence loss (eq. 4) + L2
    on the architecture parameters.  ``SearchOptimConstructor`` builds the optimizers.

    Args:
        model: Config of the wrapped model; its backbone is a super-net with learned connection
            gates, of which a node may keep any number.
        zero_one_weight, connection_weight: Weights of eq. 3 and eq. 4; 0 switches one off.
        l2_weight: Weight of ``0.5 * |alpha, beta|^2``; the paper uses the weight decay.
        reduction: ``'sum'`` (paper) or ``'mean'`` (authors' code, which also shifts eq. 3 by 0.25).
        threshold: A connection is kept when its sigmoid is above this.
        identities: Number of identity operations to keep in a cell, at the nodes where the identity
            weighs most; every other node takes its strongest other operation.  The paper keeps
            exactly one but does not say which.  ``'first'`` keeps the identity at the first output
            node, as in all published architectures; ``None`` takes the strongest operation
            everywhere.
        arch_warmup_epochs: Number of epochs at the start that train only the weights (paper: 0).
        **kwargs: See :class:`SearchAlgorithm`.

    Raises:
        ValueError: If an option is out of range or the space has no such gates.
    """

    advice = (
        f'{SearchAlgorithm.advice}; or keep weaker connections: '
        'tools/derive.py WORK_DIR --out DIR --cfg-options model.threshold=0.5'
    )

    def __init__(
        self,
        model: dict,
        zero_one_weight: float = 1.0,
        connection_weight: float = 1.0,
        l2_weight: float = 5e-4,
        reduction: str = 'sum',
        threshold: float = 0.9,
        identities: int | str | None = 1,
        arch_warmup_epochs: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        if reduction not in REDUCTIONS:
            raise ValueError(f'reduction={reduction!r}: expected one of {REDUCTIONS}')
        if not 0 < threshold < 1:
            raise ValueError(f'threshold={threshold}: expected a value between 0 and 1')
        if arch_warmup_epochs < 0:
            raise ValueError(f'arch_warmup_epochs={arch_warmup_epochs}: expected 0 or more')
        gates = [choice for choice in self.super_net.choices.values() if choice.gates]
        if not gates or any(c.keep is not None or not c.learned for c in gates):
            raise ValueError(
                f'PPNAS needs learned connection gates (any number kept); {self.super_net.space!r} '
                'has none'
            )
        most = self.super_net.cell_inputs
        if identities not in (None, 'first', *range(most + 1)):
            raise ValueError(f"identities={identities!r}: expected None, 'first' or 0 to {most}")
        self.zero_one_weight = zero_one_weight
        self.connection_weight = connection_weight
        self.l2_weight = l2_weight
        self.reduction = reduction
        self.threshold = threshold
        self.identities = identities
        self.arch_warmup_epochs = arch_warmup_epochs
        self.moves = True
        # rows of eq. 4: gates that leave each input node, and gates that enter each output node
        self.register_buffer('leaving', self._incidence(entering=False), persistent=False)
        self.register_buffer('entering', self._incidence(entering=True), persistent=False)

    def _incidence(self, entering: bool) -> Tensor:
        rows: dict[tuple[str, int], list[int]] = {}
        column = 0
        for choice in self.super_net.choices.values():
            for source in choice.candidates if choice.gates else ():
                node = choice.node if entering else int(source)
                if entering or node < self.super_net.cell_inputs:
                    rows.setdefault((choice.cell, node), []).append(column)
                column += 1
        matrix = torch.zeros(len(rows), column)
        for row, columns in enumerate(rows.values()):
            matrix[row, columns] = 1
        return matrix

    def before_epoch(self, epoch: int) -> None:
        """Keep the architecture parameters fixed during the warm-up."""
        self.moves, idle = epoch > self.arch_warmup_epochs, self.super_net.idle_choices()
        for name, parameter in self.super_net.arch.items():
            parameter.requires_grad_(self.moves and name not in idle)

    def arch_losses(self) -> dict[str, Tensor]:
        """Return the weighted losses on the architecture parameters (eq. 3, eq. 4 and L2).

        There are none during the warm-up.
        """
        if not self.moves:
            return {}
        choices, arch = self.super_net.choices, self.super_net.arch
        alpha = torch.cat([arch[name] for name, choice in choices.items() if choice.gates])
        beta = torch.cat([arch[name] for name, choice in choices.items() if not choice.gates])
        gates = alpha.sigmoid()
        zero_one = -((gates - 0.5) ** 2)
        missing = [(1 - m @ gates).clamp(min=0) ** 2 for m in (self.leaving, self.entering)]
        squares = [0.5 * alpha**2, 0.5 * beta**2]
        if self.reduction == 'sum':
            terms = [zero_one.sum(), sum(m.sum() for m in missing), sum(s.sum() for s in squares)]
        else:
            terms = [
                zero_one.mean() + 0.25,
                sum(m.mean() for m in missing),
                sum(s.mean() for s in squares),
            ]
        weights = (self.zero_one_weight, self.connection_weight, self.l2_weight)
        names = ('loss_zero_one', 'loss_connection', 'loss_arch_l2')
        return {n: w * t for n, w, t in zip(names, weights, terms, strict=True)}

    @torch.no_grad()
    def decide(self, strict: bool) -> ArchPath:
        """Keep the connections above the threshold and one operation per node (Section III-C).

        Without ``strict``, an empty node keeps its strongest input and a dropped input its
        strongest connection, so that an unfinished search can be inspected.  The same applies to
        cells that are not computed and so learn nothing.
        """
        path: dict[str, tuple[int, ...]] = {}
        idle = self.super_net.idle_choices()
        for name, choice in self.super_net.choices.items():
            values = self.super_net.arch[name]
            if choice.gates:
                kept = (values.sigmoid() > self.threshold).nonzero().flatten().tolist()
                whole = kept or (strict and name not in idle)
                path[name] = tuple(kept) if whole else (int(values.argmax()),)
            else:
                path[name] = (int(values.argmax()),)
        if self.identities is not None:
            path.update(self._with_identities(self.identities))
        self._reconnect(path, idle if strict else list(path))
        if strict:
            self.super_net.check(path)
        return path

    def _with_identities(self, count: int | str) -> dict[str, tuple[int, ...]]:
        path: dict[str, tuple[int, ...]] = {}
        choices = [c for c in self.super_net.choices.values() if not c.gates]
        for cell in dict.fromkeys(c.cell for c in choices):
            members = [c for c in choices if c.cell == cell and 'identity' in c.candidates]
            weight = {
                c.name: float(
                    self.super_net.arch[c.name].softmax(0)[c.candidates.index('identity')]
                )
                for c in members
            }
            if isinstance(count, str):
                keepers = [c.name for c in members if c.node == self.super_net.cell_inputs]
            else:
                keepers = sorted(weight, key=lambda name: -weight[name])[:count]
            for choice in members:
                identity = choice.candidates.index('identity')
                others = self.super_net.arch[choice.name].clone()
                others[identity] = -torch.inf
                if choice.name in keepers:
                    path[choice.name] = (identity,)
                elif len(choice.candidates) > 1:
                    path[choice.name] = (int(others.argmax()),)
        return path

    def _reconnect(self, path: dict[str, tuple[int, ...]], names: Sequence[str]) -> None:
        gates = [c for n, c in self.super_net.choices.items() if c.gates and n in names]
        for cell in dict.fromkeys(c.cell for c in gates):
            members = [c for c in gates if c.cell == cell]
            for source in range(self.super_net.cell_inputs):
                if not any(source in path[c.name] for c in members):
                    best = max(members, key=lambda c: float(self.super_net.arch[c.name][source]))
                    path[best.name] = tuple(sorted({*path[best.name], source}))
