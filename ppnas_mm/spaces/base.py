"""The contract of a search space: a super-net is a backbone with choices.

A *path* is the common currency of spaces and algorithms: for each choice, the indices of the
candidates that are kept.  A space translates paths to genotypes and back, and everything else
(derivation, sampling, export) follows from that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..genotype import DegenerateArchitectureError, Genotype
from .mixture import Choice, Mixture, Path, Weights


class SuperNet(nn.Module):
    """Mixin of every search space; the other base class is the backbone it searches in.

    A subclass calls :meth:`set_choices` at the end of ``__init__``, passes :meth:`mix` to its
    blocks, and writes :meth:`to_genotype`, :meth:`to_path` and :meth:`backbone_config`.

    Attributes:
        space: Name of the space, as in genotypes.
        cell_inputs: Number of input nodes of a cell.
        choices: The choices by name, in order.
        mixture: How the next forward combines candidates; algorithms set it.
    """

    space: str
    cell_inputs: int
    choices: dict[str, Choice]
    mixture: Mixture
    alive: Tensor

    def set_choices(self, choices: list[Choice], mixture: Mixture) -> None:
        """Create the architecture parameters: gates at 0, operations from N(0, 1e-3).

        PP-NAS, Section IV-A and the authors' code.
        """
        self.choices = {choice.name: choice for choice in choices}
        self.mixture = mixture
        self.arch = nn.ParameterDict(
            {
                c.name: nn.Parameter(
                    torch.zeros(len(c.candidates))
                    if c.gates
                    else torch.empty(len(c.candidates)).normal_(std=1e-3)
                )
                for c in choices
            }
        )
        self._alive = {c.name: tuple(range(len(c.candidates))) for c in choices}
        # the same as a tensor, choice after choice, so that a checkpoint knows what was pruned
        self.register_buffer(
            'alive', torch.ones(sum(map(len, self._alive.values())), dtype=torch.bool)
        )

    def arch_parameters(self) -> dict[str, nn.Parameter]:
        """Return the architecture parameters by name of their choice."""
        return dict(self.arch.items())

    def alive_candidates(self, name: str) -> tuple[int, ...]:
        """Return the candidates of a choice that :meth:`prune` has left."""
        return self._alive[name]

    def mix(self) -> dict[str, Weights]:
        """Return this forward's weights of every choice."""
        return {
            name: self.mixture(choice, self.arch[name], self._alive[name])
            for name, choice in self.choices.items()
        }

    def prune(self, name: str, candidate: int) -> None:
        """Remove a candidate for good: its modules, its weights, its place in the mixture.

        Raises:
            ValueError: If it is not alive or the last one of its choice.
        """
        alive = self._alive[name]
        if candidate not in alive or len(alive) == 1:
            raise ValueError(f'{name}: cannot prune candidate {candidate}; alive: {alive}')
        self._alive[name] = tuple(i for i in alive if i != candidate)
        self.alive[self._offset(name) + candidate] = False
        choice = self.choices[name]
        if not choice.gates:
            self.drop(choice, choice.candidates[candidate])

    def _offset(self, name: str) -> int:
        names = list(self.choices)
        return sum(len(self.choices[n].candidates) for n in names[: names.index(name)])

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # candidates that were pruned before the checkpoint have no weights in it
        saved = state_dict.get(prefix + 'alive')
        if saved is not None and saved.shape == self.alive.shape:
            if bool((saved.to(self.alive.device) & ~self.alive).any()):
                raise RuntimeError('the checkpoint holds candidates that this super-net has pruned')
            for name in self.choices:
                for i in self._alive[name]:
                    if not saved[self._offset(name) + i]:
                        self.prune(name, i)
        super()._load_from_state_dict(state_dict, prefix, *args)

    # -- what a space writes -------------------------------------------------------------------

    def drop(self, choice: Choice, op: str) -> None:
        """Delete the modules of an operation that was pruned."""
        raise NotImplementedError

    def to_genotype(self, path: Path, provenance: Mapping[str, Any] | None = None) -> Genotype:
        """Translate a path to a genotype."""
        raise NotImplementedError

    def to_path(self, genotype: Genotype) -> Path:
        """Translate a genotype to a path; raises ``GenotypeError`` if it is of another space."""
        raise NotImplementedError

    def backbone_config(self, genotype: Genotype) -> dict[str, Any]:
        """Return the config of the derived backbone of the same depth and width."""
        raise NotImplementedError

    def random_path(self, rng: np.random.Generator) -> Path:
        """Draw a path: operations uniformly, each connection with probability 1/2."""
        path: dict[str, tuple[int, ...]] = {}
        for name, choice in self.choices.items():
            alive = self._alive[name]
            if not choice.gates:
                path[name] = (int(rng.choice(alive)),)
                continue
            kept: tuple[int, ...] = ()
            while not kept:
                kept = tuple(i for i in alive if rng.random() < 0.5)
            path[name] = kept
        return path

    # -- what follows --------------------------------------------------------------------------

    def random_genotype(self, rng: np.random.Generator, constrained: bool = True) -> Genotype:
        """Draw an architecture; ``constrained`` resamples until every input group is used.

        PP-NAS, Section IV-B: full and constrained random search.

        Raises:
            DegenerateArchitectureError: If 10,000 draws were degenerate (what was pruned may leave
                no other).
        """
        for _ in range(10_000):
            path = self.random_path(rng)
            if not constrained or not self.degeneracies(path):
                return self.to_genotype(path)
        self.check(path)
        raise AssertionError('unreachable: the last path was degenerate')

    def degeneracies(self, path: Path) -> list[str]:
        """List, in words, the nodes without input and the input groups that nothing reads."""
        found: list[str] = []
        read: dict[str, set[int]] = {}
        for name, choice in self.choices.items():
            if choice.gates:
                used = read.setdefault(choice.cell, set())
                used.update(int(choice.candidates[i]) for i in path[name])
                if not path[name]:
                    found.append(f'{choice.cell} node {choice.node} has no input')
        for cell, used in read.items():
            found += [
                f'{cell} input {i} is dropped' for i in range(self.cell_inputs) if i not in used
            ]
        return found

    def check(self, path: Path) -> None:
        """Raise ``DegenerateArchitectureError`` that lists what is empty or dropped."""
        found = self.degeneracies(path)
        if found:
            raise DegenerateArchitectureError('degenerate architecture: ' + '; '.join(found))

    def export(self, genotype: Genotype) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return config and weights of the derived backbone; it computes the one-hot forward.

        Super-net keys ``...nodes.<j>.<op>.<rest>`` of the chosen op become ``...nodes.<j>.<rest>``;
        the other candidates and the architecture parameters are left out.
        """
        keep = self.derived_key(genotype)
        weights = {}
        for key, value in self.state_dict().items():
            name = keep(key)
            if name is not None and not re.match(r'(arch\.|alive$)', key):
                weights[name] = value.detach().clone()
        return self.backbone_config(genotype), weights

    def derived_key(self, genotype: Genotype) -> Callable[[str], str | None]:
        """Return the map from a super-net's key to the derived network's, ``None`` to drop it."""
        raise NotImplementedError
