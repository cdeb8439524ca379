"""The contract of a search space: a super-net is a backbone with choices.

A *path* is the common currency of spaces and algorithms: for each choice, the indices of the
candidates that are kept.  Paths, genotypes and the keys of weights translate into each other by
the names of the choices and of the modules, so a space adds no code of its own for it.
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
    """Mixin of every search space; the other base class is the backbone it searches in.

    A subclass sets ``derived_config`` and calls :meth:`set_choices` at the end of ``__init__``;
    its :class:`Mixed` blocks take what :meth:`cell_weights` says of their cell.

    Attributes:
        space: Name of the space, as in genotypes.
        cell_inputs: Number of input nodes of a cell.
        derived_config: Config of the derived backbone of the same size, without ``arch``.
        choices: The choices by name, in order.
        starts: Where the candidates of a choice start among all.
        mixture: How a forward combines candidates; :meth:`using` changes it for a while, and the
            algorithm for good (``SearchAlgorithm.predict_as``).
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
                f'out_indices={self.out_indices} compute nothing of {", ".join(cells)}: nothing is '
                'learned about these cells, what a genotype says of them is arbitrary',
                'current',
                logging.WARNING,
            )
        self._alive = {c.name: tuple(range(len(c.candidates))) for c in choices}
        *starts, size = accumulate(map(len, self._alive.values()), initial=0)
        self.starts = dict(zip(self.choices, starts, strict=True))
        # the same as a tensor, choice after choice, so that a checkpoint knows what was pruned
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
        """Return the choices of cells that are not computed: nothing is learned about them."""
        parts: list[nn.Module] = self.idle()  # type: ignore[operator]  # of the backbone
        idle = {module for part in parts for module in part.modules()}
        cells = {block.cell for _, block in self.blocks() if block not in idle}
        return [name for name, choice in self.choices.items() if choice.cell not in cells]

    @classmethod
    def check_ops(cls, ops: Sequence[str], mixed_only: Sequence[str] = ()) -> None:
        """Check the candidates of a config; ``mixed_only`` may take part, but not alone.

        Raises:
            ValueError: If an operation is not one of the space, or none to choose is given.
        """
        known = (SPACE_RULES[cls.space].ops & set(OPS)) | set(mixed_only)
        if not set(ops) - {'none'} or len(set(ops)) != len(ops) or not set(ops) <= known:
            raise ValueError(f'ops={ops}: expected different operations of {sorted(known)}')

    def arch_parameters(self) -> dict[str, nn.Parameter]:
        """Return the architecture parameters by name of their choice."""
        return dict(self.arch.items())

    def alive_candidates(self, name: str) -> tuple[int, ...]:
        """Return the candidates of a choice that :meth:`prune` has left."""
        return self._alive[name]

    def keepable(self, name: str) -> tuple[int, ...]:
        """Return the candidates alive that a genotype may hold (``none`` may be only mixed)."""
        choice, ops = self.choices[name], SPACE_RULES[self.space].ops
        return tuple(i for i in self._alive[name] if choice.gates or choice.candidates[i] in ops)

    @contextmanager
    def using(self, mixture: Mixture) -> Iterator[None]:
        """Combine candidates by another mixture inside of a ``with`` block."""
        before, self.mixture = self.mixture, mixture
        try:
            yield
        finally:
            self.mixture = before

    def mix(self) -> dict[str, Weights]:
        """Return this forward's weights of every choice; those of pruned edges are empty.

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
        """Return what the blocks of each cell take in this forward: a :class:`NodeMix` a node."""
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
        """Map images to the maps of ``out_indices``, mixed as :attr:`mixture` says."""
        return self.maps(x, self.cell_weights())  # type: ignore[operator]  # of the backbone

    def prune(self, name: str, candidate: int) -> None:
        """Remove a candidate for good: its modules, its weights, its place in the mixture.

        With a connection goes the operation on it, where it has one of its own, and with an
        operation every partial model of a merged group that holds it.

        Raises:
            ValueError: If it is not alive, or too few that a genotype may hold would be left.
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
        """Yield name and module of every block that holds candidates."""
        for name, module in self.named_modules():
            if isinstance(module, Mixed):
                yield name, module

    def follow(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """Prune and merge what a checkpoint's super-net had pruned and merged.

        Args:
            state_dict: The checkpoint's; buffers that an older one lacks are added.
            prefix: What its keys of this super-net start with.

        Raises:
            RuntimeError: If this super-net has pruned or merged more.
        """
        saved = state_dict.get(prefix + 'alive')
        if saved is None or saved.shape != self.alive.shape:
            return
        if bool((saved.to(self.alive.device) & ~self.alive).any()):
            raise RuntimeError('the checkpoint holds candidates that this super-net has pruned')
        single = torch.arange(len(self.merged))  # checkpoints of before expansion lack it
        groups = self._groups_of(state_dict.setdefault(prefix + 'merged', single))
        for name in self.choices:
            for i in self._alive[name]:
                if not saved[self.starts[name] + i]:
                    self.prune(name, i)
        self._regroup(groups)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # what was pruned before the checkpoint has no weights in it, what was merged has copies
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
            GenotypeError: If it is of another space, or has cells, nodes or operations that this
                super-net does not have.
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

        Where a node keeps a given number of connections, they are drawn uniformly.
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
        uniformly where a space has its own way.

        Raises:
            DegenerateArchitectureError: If 10,000 draws were (what was pruned may leave no other).
        """
        for _ in range(10_000):
            path = SuperNet.random_path(self, rng) if free else self.random_path(rng)
            if not constrained or not (self.degeneracies(path) or self.remarks(path)):
                return self.to_genotype(path)
        self.check(path)
        return self.to_genotype(path)

    def degeneracies(self, path: ArchPath) -> list[str]:
        """List, in words, nodes with too few inputs and input groups that nothing reads.

        Where a node keeps a given number of inputs, some input may well stay unread.
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
        """Say what is odd about an architecture that the space allows; random draws avoid it."""
        return []

    def check(self, path: ArchPath) -> None:
        """Raise ``DegenerateArchitectureError`` that lists what is empty or dropped."""
        found = self.degeneracies(path)
        if found:
            raise DegenerateArchitectureError('degenerate architecture: ' + '; '.join(found))

    # -- the derived network -------------------------------------------------------------------

    def backbone_config(self, genotype: Genotype) -> dict[str, Any]:
        """Return the config of the derived backbone of the same depth and width."""
        return dict(self.derived_config, arch=genotype.to_dict())

    def export(self, genotype: Genotype) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return config and weights of the derived backbone; it computes the one-hot forward.

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
