"""Base of search spaces: a super-net is a backbone with choices.

Spaces and algorithms exchange *paths*: the indices of the kept candidates, for each choice.  Paths,
genotypes and the keys of weights are translated by the names of the choices and of the modules, so
a space needs no code of its own for this.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..genotype import SPACE_RULES, Cell, DegenerateArchitectureError, Edge, Genotype, GenotypeError
from ..layers.ops import OPS
from .expansion import Expandable
from .mixed import Mixed
from .mixture import ArchPath, Choice, Mixture, Node, NodeMix, Weights


class SuperNet(Expandable):
    """Mixin of all search spaces; the other base class is the backbone to search.

    A subclass sets ``derived_config`` and calls :meth:`set_choices` at the end of ``__init__``;
    its :class:`Mixed` blocks receive the :meth:`cell_weights` of their cell.

    Attributes:
        space: Name of the space, as in genotypes.
        cell_inputs: Number of input nodes of a cell.
        derived_config: Config of the derived backbone of the same size, without ``arch``.
        choices: The choices by name, in order.
        starts: Index of the first candidate of each choice among all candidates.
        mixture: How a forward combines candidates; :meth:`using` changes it temporarily, the
            algorithm permanently (``SearchAlgorithm.predict_as``).
    """

    space: str
    cell_inputs: int
    derived_config: dict[str, Any]
    choices: dict[str, Choice]
    starts: dict[str, int]
    mixture: Mixture
    alive: Tensor
    out_indices: tuple[int, ...]

    def set_choices(self, choices: list[Choice], mixture: Mixture) -> None:
        """Create the architecture parameters: gates at 0, operations from N(0, 1e-3).

        PP-NAS, Section IV-A and the authors' code.
        """
        self.choices = {choice.name: choice for choice in choices}
        self.mixture = mixture
        self.layout: dict[str, dict[int, Node]] = {}
        for c in choices:
            node = self.layout.setdefault(c.cell, {}).get(c.node, Node(None, []))
            node = Node(c, node.ops) if c.gates else Node(node.gates, [*node.ops, c])
            self.layout[c.cell][c.node] = node
        self.arch = nn.ParameterDict(
            {
                c.name: nn.Parameter(
                    torch.zeros(len(c.candidates))
                    if c.gates
                    else torch.empty(len(c.candidates)).normal_(std=1e-3)
                )
                for c in choices
                if c.learned
            }
        )
        idle = self.idle_choices()
        for name in idle:
            if name in self.arch:
                self.arch[name].requires_grad_(False)
        if idle:
            cells = sorted({self.choices[name].cell for name in idle})
            print_log(
                f'out_indices={self.out_indices} skip {", ".join(cells)}: the search learns '
                'nothing about these cells, so their part of a genotype is arbitrary',
                'current',
                logging.WARNING,
            )
        self._alive = {c.name: tuple(range(len(c.candidates))) for c in choices}
        *starts, size = accumulate(map(len, self._alive.values()), initial=0)
        self.starts = dict(zip(self.choices, starts, strict=True))
        # the same as a tensor, choice by choice, so that checkpoints record pruning
        self.register_buffer('alive', torch.ones(size, dtype=torch.bool))
        blocks = [block for _, block in self.blocks()]
        self._start_groups(
            {
                c.name: [block.holder(c) for block in blocks if block.cell == c.cell]
                for c in choices
                if not c.gates
            }
        )

    def idle_choices(self) -> list[str]:
        """Return the choices of cells that are not computed, about which nothing is learned."""
        parts: list[nn.Module] = self.idle()  # type: ignore[operator]  # of the backbone
        idle = {module for part in parts for module in part.modules()}
        cells = {block.cell for _, block in self.blocks() if block not in idle}
        return [name for name, choice in self.choices.items() if choice.cell not in cells]

    @classmethod
    def check_ops(cls, ops: Sequence[str], mixed_only: Sequence[str] = ()) -> None:
        """Check the candidates of a config; operations of ``mixed_only`` need others beside them.

        Raises:
            ValueError: If an operation is not in the space, or there is none to choose.
        """
        known = (SPACE_RULES[cls.space].ops & set(OPS)) | set(mixed_only)
        if not set(ops) - {'none'} or len(set(ops)) != len(ops) or not set(ops) <= known:
            raise ValueError(f'ops={ops}: expected different operations of {sorted(known)}')

    def arch_parameters(self) -> dict[str, nn.Parameter]:
        """Return the architecture parameters by name of their choice."""
        return dict(self.arch.items())

    def alive_candidates(self, name: str) -> tuple[int, ...]:
        """Return the candidates of a choice that are not pruned."""
        return self._alive[name]

    def keepable(self, name: str) -> tuple[int, ...]:
        """Return the candidates alive that a genotype may contain (``none`` may be only mixed)."""
        choice, ops = self.choices[name], SPACE_RULES[self.space].ops
        return tuple(i for i in self._alive[name] if choice.gates or choice.candidates[i] in ops)

    @contextmanager
    def using(self, mixture: Mixture) -> Iterator[None]:
        """Use another mixture inside a ``with`` block."""
        before, self.mixture = self.mixture, mixture
        try:
            yield
        finally:
            self.mixture = before

    def mix(self) -> dict[str, Weights]:
        """Return this forward's weights for every choice; pruned edges have empty ones.

        Raises:
            ValueError: If a super-net with merged choices does not run a single path.
        """
        mix = {
            name: self.mixture(
                choice, self.arch[name] if choice.learned else None, self._alive[name]
            )
            if self._alive[name]
            else Weights(())
            for name, choice in self.choices.items()
        }
        self.activate(mix)
        return mix

    def cell_weights(self) -> dict[str, Any]:
        """Return the weights of each cell in this forward: one :class:`NodeMix` per node."""
        mix = self.mix()
        return {
            cell: [
                NodeMix(
                    mix[node.gates.name] if node.gates else Weights(()),
                    {op.source: mix[op.name] for op in node.ops},
                )
                for node in nodes.values()
            ]
            for cell, nodes in self.layout.items()
        }

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images to the maps of ``out_indices``, combining candidates by :attr:`mixture`."""
        return self.maps(x, self.cell_weights())  # type: ignore[operator]  # of the backbone

    def prune(self, name: str, candidate: int) -> None:
        """Remove a candidate permanently: its modules, weights and place in the mixture.

        Pruning a connection also prunes the operation on it, if it has its own; pruning an
        operation removes every partial model of a merged group that contains it.

        Raises:
            ValueError: If the candidate is not alive, or too few would be left for a genotype.
        """
        alive, choice = self._alive[name], self.choices[name]
        left = set(self.keepable(name)) - {candidate}
        if candidate not in alive or len(left) < (choice.keep or 1):
            raise ValueError(f'{name}: cannot prune candidate {candidate}; alive: {alive}')
        self._bury(choice, candidate)
        if choice.gates:
            for op in self.layout[choice.cell][choice.node].ops:
                if op.source == int(choice.candidates[candidate]):
                    for i in self._alive[op.name]:
                        self._bury(op, i)
        self._drop_copies()

    def _bury(self, choice: Choice, candidate: int) -> None:
        self._alive[choice.name] = tuple(i for i in self._alive[choice.name] if i != candidate)
        self.alive[self.starts[choice.name] + candidate] = False
        if not choice.gates:
            for _, block in self.blocks():
                if block.cell == choice.cell:
                    block.drop(choice, choice.candidates[candidate])

    def blocks(self) -> Iterator[tuple[str, Mixed]]:
        """Yield name and module of every block with candidates."""
        for name, module in self.named_modules():
            if isinstance(module, Mixed):
                yield name, module

    def follow(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """Prune and merge as the super-net of a checkpoint has done.

        Args:
            state_dict: That of the checkpoint; buffers missing in older checkpoints are added.
            prefix: Prefix of the keys of this super-net.

        Raises:
            RuntimeError: If this super-net has pruned or merged more.
        """
        saved = state_dict.get(prefix + 'alive')
        if saved is None or saved.shape != self.alive.shape:
            return
        if bool((saved.to(self.alive.device) & ~self.alive).any()):
            raise RuntimeError('the checkpoint contains candidates that this super-net has pruned')
        single = torch.arange(len(self.merged))  # missing in checkpoints from before expansion
        groups = self._groups_of(state_dict.setdefault(prefix + 'merged', single))
        for name in self.choices:
            for i in self._alive[name]:
                if not saved[self.starts[name] + i]:
                    self.prune(name, i)
        self._regroup(groups)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # in the checkpoint, pruned candidates have no weights and merged ones have copies
        self.follow(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    # -- paths and genotypes -------------------------------------------------------------------

    def to_genotype(self, path: ArchPath, provenance: Mapping[str, Any] | None = None) -> Genotype:
        """Translate a path to a genotype."""
        cells = []
        for name, nodes in self.layout.items():
            edges = tuple(tuple(self._edges(node, path)) for node in nodes.values())
            cells.append(Cell(name, self.cell_inputs, edges))
        return Genotype(self.space, tuple(cells), provenance or {})

    def _edges(self, node: Node, path: ArchPath) -> Iterator[Edge]:
        for op in node.ops:
            if op.source is not None:
                sources: tuple[int, ...] = (op.source,)
            elif node.gates is None:  # a chain
                sources = (op.node - 1,)
            else:
                sources = tuple(int(node.gates.candidates[i]) for i in path[node.gates.name])
            if op.name in path:
                yield Edge(op.candidates[path[op.name][0]], sources)

    def to_path(self, genotype: Genotype) -> ArchPath:
        """Translate a genotype to a path of this super-net.

        Raises:
            GenotypeError: If it belongs to another space, or its cells, nodes or operations differ
                from this super-net's.
        """
        if genotype.space != self.space:
            raise GenotypeError(f'the super-net searches {self.space!r}, not {genotype.space!r}')
        path: dict[str, tuple[int, ...]] = {}
        given = {
            (cell.name, node): edges
            for cell in genotype.cells
            for node, edges in enumerate(cell.nodes, cell.inputs)
        }
        mine = {(cell, node): c for cell, nodes in self.layout.items() for node, c in nodes.items()}
        if given.keys() != mine.keys():
            odd = ', '.join(f'{c}/node{n}' for c, n in sorted(given.keys() ^ mine.keys()))
            raise GenotypeError(f'genotype and super-net differ in {odd:.200}')
        for spot, edges in given.items():
            path.update(self._decisions(mine[spot], edges))
        return {name: path[name] for name in self.choices if name in path}

    def _decisions(self, node: Node, edges: tuple[Edge, ...]) -> Iterator[tuple[str, tuple]]:
        if node.gates is not None:
            read = sorted(i for edge in edges for i in edge.sources)
            yield node.gates.name, tuple(node.gates.candidates.index(str(i)) for i in read)
        by_source = {op.source: op for op in node.ops}
        for edge in edges:
            choice = by_source.get(None) or by_source[edge.sources[0]]
            if edge.op not in choice.candidates:
                raise GenotypeError(f'{choice.name}: {edge.op!r} is not among {choice.candidates}')
            yield choice.name, (choice.candidates.index(edge.op),)

    def random_path(self, rng: np.random.Generator) -> ArchPath:
        """Draw a path: operations uniformly, each connection with probability 1/2.

        If a node keeps a given number of connections, they are drawn uniformly.
        """
        path: dict[str, tuple[int, ...]] = {}
        for nodes in self.layout.values():
            for node in nodes.values():
                read = self._random_inputs(node.gates, rng) if node.gates else None
                if node.gates and read is not None:
                    path[node.gates.name] = read
                for op in node.ops:
                    if op.source is None or read is None or op.source in read:
                        path[op.name] = (int(rng.choice(self.keepable(op.name))),)
        return path

    def _random_inputs(self, gates: Choice, rng: np.random.Generator) -> tuple[int, ...]:
        alive = self._alive[gates.name]
        if gates.keep is not None:
            return tuple(sorted(map(int, rng.choice(alive, gates.keep, replace=False))))
        kept: tuple[int, ...] = ()
        while not kept:
            kept = tuple(i for i in alive if rng.random() < 0.5)
        return kept

    def random_genotype(
        self, rng: np.random.Generator, constrained: bool = True, free: bool = False
    ) -> Genotype:
        """Draw an architecture (PP-NAS, Section IV-B).

        ``constrained`` resamples until every input group is used; ``free`` draws operations
        uniformly even if a space has its own way.

        Raises:
            DegenerateArchitectureError: If 10,000 draws are degenerate (pruning may leave no
                others).
        """
        for _ in range(10_000):
            path = SuperNet.random_path(self, rng) if free else self.random_path(rng)
            if not constrained or not (self.degeneracies(path) or self.remarks(path)):
                return self.to_genotype(path)
        self.check(path)
        return self.to_genotype(path)

    def degeneracies(self, path: ArchPath) -> list[str]:
        """Describe nodes with too few inputs and input groups that no node reads.

        If nodes keep a given number of inputs, inputs may stay unread.
        """
        found: list[str] = []
        read: dict[str, set[int]] = {}
        for name, choice in self.choices.items():
            if not choice.gates:
                continue
            kept = path[name]
            if choice.keep is None:
                used = read.setdefault(choice.cell, set())
                used.update(int(choice.candidates[i]) for i in kept)
            if not kept:
                found.append(f'{choice.cell} node {choice.node} has no input')
            elif len(kept) != (choice.keep or len(kept)):
                found.append(f'{name} keeps {len(kept)} instead of {choice.keep}')
        for cell, used in read.items():
            unread = [i for i in range(self.cell_inputs) if i not in used]
            found += [f'{cell} input {i} is dropped' for i in unread]
        return found

    def remarks(self, path: ArchPath) -> list[str]:
        """Return remarks on an allowed but odd architecture; random draws avoid such ones."""
        return []

    def check(self, path: ArchPath) -> None:
        """Raise ``DegenerateArchitectureError`` that lists empty nodes and dropped inputs."""
        found = self.degeneracies(path)
        if found:
            raise DegenerateArchitectureError('degenerate architecture: ' + '; '.join(found))

    # -- the derived network -------------------------------------------------------------------

    def backbone_config(self, genotype: Genotype) -> dict[str, Any]:
        """Return the config of the derived backbone of the same depth and width."""
        return dict(self.derived_config, arch=genotype.to_dict())

    def export(self, genotype: Genotype) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return config and weights of the derived backbone, which computes the one-hot forward.

        The keys of the chosen candidates lose the candidate's name (see :class:`Mixed`); the other
        candidates, other copies and the architecture parameters are left out.
        """
        path = self.to_path(genotype)
        self.activate({name: Weights(path.get(name, ())) for name in self.choices})
        cells = {cell.name: cell for cell in genotype.cells}
        blocks = dict(self.blocks())
        prefixes = sorted(blocks, key=len, reverse=True)
        weights = {}
        for key, value in self._active_state().items():
            if key in ('alive', 'merged') or key.startswith('arch.'):
                continue
            prefix = next((p for p in prefixes if key.startswith(f'{p}.')), None)
            names = [key]
            if prefix is not None:
                block = blocks[prefix]
                rest = block.derived_keys(key[len(prefix) + 1 :], cells[block.cell])
                names = [f'{prefix}.{name}' for name in rest]
            weights.update({name: value.detach().clone() for name in names})
        return self.backbone_config(genotype), weights
