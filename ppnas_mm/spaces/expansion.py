"""Expansion of a super-net: fewer architectures share each copy of weights (SE-NAS, Section 3.4).

Neighbouring choices of operations are merged into a *group* while the product of their sizes is at
most a threshold T.  A *partial model* of a group has one decision for each of its choices, and owns
a copy of the weights of its operations (Algorithm 1, lines 6 to 8).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from itertools import groupby, product
from typing import Any

import torch
from torch import Tensor, nn

from .mixture import Choice, Weights

ABSENT = 'x'
"""Replaces the operation of an unread edge in a partial model."""
MOST_MODELS = 10_000
"""Maximum number of partial models of a group; the paper's threshold is 50."""


def merge(sizes: Sequence[int], threshold: int) -> list[list[int]]:
    """Merge neighbouring layers, shallow to deep, while the product of their sizes is at most T.

    Args:
        sizes: Number of candidates of each layer.
        threshold: T; the paper's is 50.

    Returns:
        The layer indices of each group; a layer that is not merged is a group of one.

    Raises:
        ValueError: If the threshold is below 1.
    """
    if threshold < 1:
        raise ValueError(f'threshold={threshold}: expected 1 or more partial models of a group')
    groups: list[list[int]] = []
    for layer, size in enumerate(sizes):
        if groups and math.prod(sizes[i] for i in groups[-1]) * size <= threshold:
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return groups


class Copies(nn.ModuleDict):
    """Replaces an operation by one copy for each partial model that contains it.

    The keys are the partial models, ``'0_3_1'``: the candidates of the group's choices.

    Attributes:
        active: The partial model to run; every forward of the super-net sets it.
    """

    active: str = ''
    per_forward = ('active',)  # must be the same during recomputation

    def forward(self, *args: Any) -> Any:
        """Run the active copy."""
        return active(self)(*args)


def active(module: nn.Module) -> nn.Module:
    """Return the module that runs for an operation: its active copy, if it has copies."""
    return module[module.active] if isinstance(module, Copies) else module


class Expandable(nn.Module):
    """Expansion of a super-net: merged choices with copies of weights (SE-NAS, Section 3.4).

    A merged super-net runs single paths: one operation in each choice of a merged group, or none if
    the path omits the edge (this counts as a decision, ``'x'``).  Operations without weights and
    buffers have no copies.  The pools of a ``MixedDAG`` have none either, because they and the
    running statistics of their norms belong to a node.

    Each forward sets its copies when it starts.
    """

    choices: dict[str, Choice]
    layout: dict[str, dict[int, Any]]
    merged: Tensor
    _alive: dict[str, tuple[int, ...]]

    def _start_groups(self, holders: Mapping[str, list[nn.ModuleDict]]) -> None:
        """Start with unmerged choices; ``holders``: the candidates of each choice, by block."""
        self._holders = dict(holders)
        self._groups: list[tuple[str, ...]] = [(name,) for name in holders]
        self._heirs: dict[nn.Parameter, nn.Parameter] = {}
        # the group number of each choice, so that checkpoints record merging
        self.register_buffer('merged', torch.arange(len(self._groups)))

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The choices of operations, in order, group by group; a group of one is not merged."""
        return list(self._groups)

    def group_sizes(self) -> list[int]:
        """Return the number of partial models alive in each group."""
        return [math.prod(len(self._decisions_of(n)) for n in group) for group in self._groups]

    def expand(self, threshold: int) -> None:
        """Merge neighbouring groups and give each partial model its own copy of the weights.

        Groups are never split.  A copy starts from the weights and running statistics that its
        partial model had before.  Optimizers get the new copies from :meth:`take_heirs`.

        Args:
            threshold: Maximum number T of partial models of a merged group.

        Raises:
            ValueError: If the threshold is below 1.
        """
        parts = merge(self.group_sizes(), threshold)
        self._regroup([tuple(name for i in part for name in self._groups[i]) for part in parts])

    def take_heirs(self) -> dict[nn.Parameter, nn.Parameter]:
        """Return and clear the source of each parameter copied since the last call.

        The source may itself be a copy that no longer exists.
        """
        heirs, self._heirs = self._heirs, {}
        return heirs

    def activate(self, mix: Mapping[str, Weights]) -> None:
        """Set the copies that the next forward runs.

        Args:
            mix: This forward's weights for every choice.

        Raises:
            ValueError: If a merged choice keeps several candidates, or one that is not alive.
        """
        for group in self._groups:
            if len(group) == 1:
                continue
            key = '_'.join(self._decision(name, mix) for name in group)
            for name in group:
                for candidate in mix[name].kept:
                    op = self.choices[name].candidates[candidate]
                    for module in (h[op] for h in self._holders[name] if op in h):
                        if isinstance(module, Copies):
                            module.active = key

    def _gates(self, name: str) -> Choice | None:
        """The gates that decide whether the choice's edge is read; ``None``: always read."""
        choice = self.choices[name]
        return None if choice.source is None else self.layout[choice.cell][choice.node].gates

    def _decisions_of(self, name: str) -> tuple[str, ...]:
        """The decisions still possible for a choice."""
        gates, alive = self._gates(name), self._alive[name]
        spare = gates is not None and len(self._alive[gates.name]) > (gates.keep or 1)
        return (*map(str, alive), *([ABSENT] if spare or not alive else []))

    def _decision(self, name: str, mix: Mapping[str, Weights]) -> str:
        """This forward's decision for a merged choice."""
        kept, gates = mix[name].kept, self._gates(name)
        if gates is not None and kept:
            read = {int(gates.candidates[i]) for i in mix[gates.name].kept}
            kept = kept if self.choices[name].source in read else ()
        possible = self._decisions_of(name)
        decision = '+'.join(map(str, kept)) or ABSENT
        if decision not in possible:
            raise ValueError(
                f'{name}: candidates {kept} are kept, but a super-net with merged choices runs '
                f'single paths: expected one of {possible} ({ABSENT}: the edge is not read)'
            )
        return decision

    def _models(self, group: Sequence[str]) -> list[tuple[str, ...]]:
        """The partial models of a group that are alive."""
        return list(product(*map(self._decisions_of, group)))

    def _regroup(self, groups: Sequence[tuple[str, ...]]) -> None:
        """Make copies for new groups, each a union of previous groups."""
        for group in groups:
            number = math.prod(len(self._decisions_of(name)) for name in group)
            if len(group) > 1 and number > MOST_MODELS:
                raise RuntimeError(
                    f'{len(group)} choices merged have {number:,} partial models, more than '
                    f'{MOST_MODELS:,}: the threshold is too large or the checkpoint is damaged'
                )
        before = {name: group for group in self._groups for name in group}
        for group in groups:
            if group == before[group[0]]:
                continue
            models = self._models(group)
            for place, name in enumerate(group):
                start = group.index(before[name][0])
                part = slice(start, start + len(before[name]))
                for holder in self._holders[name]:
                    for op, module in list(holder.items()):
                        own = str(self.choices[name].candidates.index(op))
                        keys = {'_'.join(m): '_'.join(m[part]) for m in models if m[place] == own}
                        if module.state_dict():
                            holder[op] = self._copy(module, keys)
        self._groups = list(groups)
        self.merged.copy_(torch.tensor([i for i, group in enumerate(groups) for _ in group]))

    def _copy(self, module: Any, keys: Mapping[str, str]) -> Copies:
        """Return copies by new key, each of the module with the old key, and record the heirs."""
        copies = Copies()
        for key, old in keys.items():
            parent = module[old] if isinstance(module, Copies) else module
            copies[key] = copy.deepcopy(parent)
            for heir, source in zip(copies[key].parameters(), parent.parameters(), strict=True):
                self._heirs[heir] = source
        return copies

    def _drop_copies(self) -> None:
        """Delete the copies of partial models with pruned operations."""
        for group in self._groups:
            if len(group) == 1:
                continue
            left = {'_'.join(model) for model in self._models(group)}
            for holder in (h for name in group for h in self._holders[name]):
                for copies in (m for m in holder.values() if isinstance(m, Copies)):
                    for key in set(copies) - left:
                        del copies[key]

    def _groups_of(self, merged: Tensor) -> list[tuple[str, ...]]:
        """Return the groups of a checkpoint's buffer ``merged``.

        Raises:
            RuntimeError: If they are not unions of this super-net's groups.
        """
        numbered = zip(merged.tolist(), self._holders, strict=True)
        groups = [tuple(n for _, n in part) for _, part in groupby(numbered, lambda pair: pair[0])]
        for group in self._groups:
            if not any(set(group) <= set(other) for other in groups):
                raise RuntimeError(
                    f'the checkpoint is from a less expanded super-net: this one has merged '
                    f'{" and ".join(group)}'
                )
        return groups

    def _active_state(self) -> dict[str, Tensor]:
        """Return the state dict with only the active copies, under the names without copies."""
        state = self.state_dict()
        for name, copies in self.named_modules():
            if isinstance(copies, Copies):
                for key in copies:
                    for rest in copies[key].state_dict():
                        value = state.pop(f'{name}.{key}.{rest}')
                        if key == copies.active:
                            state[f'{name}.{rest}'] = value
        return state
