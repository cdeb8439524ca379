"""The chain space as a super-net backbone: MBConv blocks with searched kernels and expansions.

CDARTS, Section 4.6, found CDARTS-a and -b in this space (that of Cream, NeurIPS 2020).  The code of
that search is not published; here the space is searched by the same algorithms as every other one.
Each block chooses among six operations and reads the block before; how many blocks a stage has is
not searched, because no candidate skips a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..backbones.chain import STAGES, MacroChain
from ..ops import OpSpec, build_op
from ..registry import MODELS
from .base import Mixed, SuperNet
from .mixture import Choice, Relaxed, Weights, mixed_sum

CHAIN_OPS = tuple(f'mbconv_{k}x{k}_e{e}_se' for k in (3, 5, 7) for e in (4, 6))
"""The reference's order of the candidates."""


class MixedChain(Mixed):
    """A stage with every candidate of every block.

    Args:
        cell: Name of the stage.
        ops: Names of the candidate operations.
        specs: What each block is built for.
    """

    def __init__(self, cell: str, ops: Sequence[str], specs: Sequence[OpSpec]) -> None:
        super().__init__(cell, inputs=1)
        self.ops = tuple(ops)
        self.nodes.extend(nn.ModuleDict({op: build_op(op, spec) for op in ops}) for spec in specs)

    def forward(self, x: Tensor, weights: Sequence[Weights]) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C, H / stride, W / stride)``.

        ``weights`` holds those of each block's candidates; only candidates kept are computed.
        """
        node: Any
        for node, ops in zip(self.nodes, weights, strict=True):
            x = mixed_sum(ops, [node[self.ops[i]](x) for i in ops.kept])
        return x


@MODELS.register_module()
class ChainSuperNet(SuperNet, MacroChain):
    """The super-net of the chain space.

    Args:
        ops: Candidate operations.
        depths: Blocks of each of the five stages; every block keeps exactly one candidate.
        **kwargs: See :class:`MacroChain`; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not one of the space, or ``depths`` are not five numbers.
    """

    space = 'chain'
    cell_inputs = 1

    def __init__(
        self,
        ops: Sequence[str] = CHAIN_OPS,
        depths: Sequence[int] = (4, 4, 4, 4, 4),
        **kwargs: Any,
    ) -> None:
        self.check_ops(ops)
        if len(depths) != len(STAGES) or min(depths) < 1:
            raise ValueError(f'depths={tuple(depths)}: expected {len(STAGES)} numbers from 1')

        def chain(name: str, specs: list[OpSpec]) -> nn.Module:
            return MixedChain(name, ops, specs)

        super().__init__(chain=chain, depths=depths, **kwargs)
        self.derived_config = dict(type='ppnas_mm.ChainNet', **kwargs)
        self.set_choices(
            [
                Choice(cell, node, tuple(ops))
                for cell, depth in zip(STAGES, depths, strict=True)
                for node in range(1, depth + 1)
            ],
            Relaxed(),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Map images to the maps of ``out_indices``, mixed as :attr:`mixture` says."""
        stages: dict[str, list[Weights]] = {}
        for name, weights in self.mix().items():
            stages.setdefault(self.choices[name].cell, []).append(weights)
        return MacroChain.forward(self, x, stages)
