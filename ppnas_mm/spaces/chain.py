"""Chains as super-net backbones: MBConv blocks with searched kernels and expansions.

CDARTS, Section 4.6, found CDARTS-a and -b in the chain space (that of Cream, NeurIPS 2020).  The
code of that search is not published; here the same algorithms search this space as any other.  Each
block chooses among six operations and reads the block before.  The identity in place of a block,
except the first of a stage, searches the depth.
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
"""The blocks in the order of the reference; the identity removes a block."""


class MixedChain(Mixed):
    """A stage with every candidate of every block.

    Args:
        choices: The choice of each block.
        specs: The spec of each block.

    Attributes:
        with_cp: Whether to use activation checkpointing for each block; the macro network sets it.
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
        """Drop the keys after the last block of a shorter stage."""
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
    """A super-net of MBConv blocks, one choice per block; a subclass names its space.

    Attributes:
        derived: Name of the derived network's class.

    Args:
        ops: Candidate operations; the first block of a stage omits those that the space does not
            allow there.
        depths: Number of blocks in each stage; every block keeps exactly one candidate.
        **kwargs: See the macro network; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not in the space, none is left for a first block, or
            ``depths`` does not have one number per stage.
    """

    cell_inputs = 1
    derived: str

    def __init__(self, ops: Sequence[str], depths: Sequence[int], **kwargs: Any) -> None:
        self.check_ops(ops)
        later_only, stages = SPACE_RULES[self.space].not_first, self.plan.stages
        first = tuple(op for op in ops if op not in later_only)
        if not first:
            raise ValueError(
                f'ops={ops}: first blocks of stages need operations other than {sorted(later_only)}'
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

    A genotype may have fewer blocks in a stage: it omits identities at the end of a stage, and its
    path has identities for the missing blocks.

    Args:
        ops: Candidate operations.
        depths: Number of blocks in each of the five stages, the maximum if the identity is a
            candidate; by default four, or five in the stage where the released CDARTS-b has five.
        **kwargs: See :class:`MacroChain`; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not in the space, or ``depths`` are not five numbers.
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
        """Translate a genotype to a path, with identities after the last block of a stage.

        Raises:
            GenotypeError: If it has other stages, more blocks or other operations.
        """
        cells = []
        for cell in genotype.cells:
            lacking = range(len(cell.nodes), len(self.layout.get(cell.name, ())))
            identities = tuple((Edge('identity', (node,)),) for node in lacking)
            cells.append(replace(cell, nodes=cell.nodes + identities))
        return super().to_path(replace(genotype, cells=tuple(cells)))
