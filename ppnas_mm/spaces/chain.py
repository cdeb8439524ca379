"""Chains as super-net backbones: MBConv blocks with searched kernels and expansions.

CDARTS, Section 4.6, found CDARTS-a and -b in the chain space (that of Cream, NeurIPS 2020).  The
code of that search is not published; here the space is searched by the same algorithms as every
other one.  Each block chooses among six operations and reads the block before; the identity in
place of a block, but a stage's first, searches the depth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ..backbones.chain import MacroChain
from ..genotype import SPACE_RULES, Cell, Edge, Genotype
from ..layers.ops import OpSpec, build_op
from ..layers.recompute import run_block
from ..utils.registries import MODELS
from .mixed import Mixed
from .mixture import ArchPath, Choice, NodeMix, Relaxed, Weights, mixed_sum
from .super_net import SuperNet

CHAIN_OPS = (*(f'mbconv_{k}x{k}_e{e}_se' for k in (3, 5, 7) for e in (4, 6)), 'identity')
"""The reference's order of the blocks; the identity is no block."""


class MixedChain(Mixed):
    """A stage with every candidate of every block.

    Args:
        choices: What each block chooses among.
        specs: What each block is built for.

    Attributes:
        with_cp: Whether to trade compute for memory, block by block; the macro network sets it.
    """

    with_cp = False

    def __init__(self, choices: Sequence[Choice], specs: Sequence[OpSpec]) -> None:
        super().__init__(choices[0].cell, inputs=1)
        self.candidates = [choice.candidates for choice in choices]
        self.nodes.extend(
            nn.ModuleDict({op: build_op(op, spec) for op in ops})
            for ops, spec in zip(self.candidates, specs, strict=True)
        )

    def derived_keys(self, key: str, cell: Cell) -> list[str]:
        """Drop what stands behind the last block of a shorter stage."""
        node = int(key.split('.')[1])
        return super().derived_keys(key, cell) if node < len(cell.nodes) else []

    def forward(self, x: Tensor, mix: Sequence[NodeMix]) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C, H / stride, W / stride)``.

        ``mix`` holds the weights of each block's candidates; only those kept are computed.
        """
        for node, ops, given in zip(self.nodes, self.candidates, mix, strict=True):
            weights = given.ops[None]
            x = run_block(node, _run_candidates, node, ops, x, weights, with_cp=self.with_cp)
        return x


def _run_candidates(node: Any, ops: Sequence[str], x: Tensor, weights: Weights) -> Tensor:
    return mixed_sum(weights, [node[ops[i]](x) for i in weights.kept])


class SearchedChain(SuperNet, MacroChain):
    """A super-net of MBConv blocks, one choice a block; a subclass names its space.

    Attributes:
        derived: Name of the derived network's class.

    Args:
        ops: Candidate operations; those that the space does not allow in the first block of a
            stage are left out there.
        depths: Blocks of each stage; every block keeps exactly one candidate.
        **kwargs: See the macro network; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not one of the space, none is left for a first block, or
            ``depths`` are not as many numbers as there are stages.
    """

    cell_inputs = 1
    derived: str

    def __init__(self, ops: Sequence[str], depths: Sequence[int], **kwargs: Any) -> None:
        self.check_ops(ops)
        later_only, stages = SPACE_RULES[self.space].not_first, self.plan.stages
        first = tuple(op for op in ops if op not in later_only)
        if not first:
            raise ValueError(
                f'ops={ops}: the first block of a stage needs others than {sorted(later_only)}'
            )
        if len(depths) != len(stages) or min(depths) < 1:
            raise ValueError(f'depths={tuple(depths)}: expected {len(stages)} numbers from 1')
        choices = {
            cell: [
                Choice(cell, node, first if node == 1 else tuple(ops))
                for node in range(1, depth + 1)
            ]
            for cell, depth in zip(stages, depths, strict=True)
        }
        super().__init__(
            chain=lambda name, specs: MixedChain(choices[name], specs), depths=depths, **kwargs
        )
        self.derived_config = dict(type=f'ppnas_mm.{self.derived}', **kwargs)
        self.set_choices([choice for cell in choices.values() for choice in cell], Relaxed())


@MODELS.register_module()
class ChainSuperNet(SearchedChain):
    """The super-net of the chain space.

    A genotype may have fewer blocks in a stage: identities at the end of a stage are left out of
    it, and stand in for what it lacks in a path.

    Args:
        ops: Candidate operations.
        depths: Blocks of each of the five stages, at most where the identity is a candidate; by
            default four, and five where the released CDARTS-b has them.
        **kwargs: See :class:`MacroChain`; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not one of the space, or ``depths`` are not five numbers.
    """

    space = 'chain'
    derived = 'ChainNet'

    def __init__(
        self,
        ops: Sequence[str] = CHAIN_OPS,
        depths: Sequence[int] = (4, 4, 5, 4, 4),
        **kwargs: Any,
    ) -> None:
        super().__init__(ops, depths, **kwargs)

    def to_genotype(self, path: ArchPath, provenance: Mapping[str, Any] | None = None) -> Genotype:
        """Translate a path to a genotype, without identities at the end of a stage."""
        genotype = super().to_genotype(path, provenance)
        cells = []
        for cell in genotype.cells:
            blocks = [n for n, edges in enumerate(cell.nodes, 1) if edges[0].op != 'identity']
            cells.append(replace(cell, nodes=cell.nodes[: blocks[-1]]))
        return replace(genotype, cells=tuple(cells))

    def to_path(self, genotype: Genotype) -> ArchPath:
        """Translate a genotype to a path, with identities behind the last block of a stage.

        Raises:
            GenotypeError: If it has other stages, more blocks or other operations.
        """
        cells = []
        for cell in genotype.cells:
            lacking = range(len(cell.nodes), len(self.layout.get(cell.name, ())))
            identities = tuple((Edge('identity', (node,)),) for node in lacking)
            cells.append(replace(cell, nodes=cell.nodes + identities))
        return super().to_path(replace(genotype, cells=tuple(cells)))
