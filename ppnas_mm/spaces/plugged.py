"""Any CNN as a super-net: plug-and-play blocks are searched in the place of its convolutions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..backbones.base import CellMix
from ..backbones.plugged import PluggedBackbone
from ..layers.plug import Place, PlugError
from ..utils.registries import MODELS
from .mixture import NodeMix
from .ppconv import MixedPPConv, PPConvSpace


class HeldPPConv(MixedPPConv):
    """A mixed block inside of a library's network, which passes it the input alone.

    The super-net lays the weights of the cell in :attr:`held` for the length of a forward.
    """

    held: Sequence[NodeMix]

    def forward(self, x: Tensor, mix: Sequence[NodeMix] | None = None) -> Tensor:
        """Map ``(N, width, H, W)`` to the same shape."""
        return super().forward(x, self.held if mix is None else mix)


@MODELS.register_module()
class PluggedSuperNet(PPConvSpace, PluggedBackbone):
    """A backbone of any library whose convolutions are searched blocks.

    Args:
        backbone: Config of the backbone.
        where: Which convolutions are replaced, see :func:`find_places`.
        ops: Candidate operations; the paper's are identity, 1x1 and 3x3 convolution.
        groups: Number D of groups.
        shared: Whether all stages share one cell; otherwise each has its own.
        **kwargs: See :class:`PluggedBackbone`; also the arguments of the derived network.

    Raises:
        PlugError: If no block fits, or the backbone recomputes activations (``with_cp``).
        ValueError: If an operation is not in the space, or too few are given.
    """

    def __init__(
        self,
        backbone: dict,
        where: str | None = None,
        ops: Sequence[str] = ('identity', 'conv_1x1', 'conv_3x3'),
        groups: int = 4,
        shared: bool = False,
        **kwargs: Any,
    ) -> None:
        self.check_blocks(ops, groups)

        def build(place: Place) -> nn.Module:
            cell = f'stage{1 if shared else place.stage + 1}'
            return HeldPPConv(cell, groups, ops, place.width, place.dilation, self.style)

        super().__init__(backbone, where, groups, build, **kwargs)
        if any(getattr(module, 'with_cp', False) for module in self.net.modules()):
            raise PlugError('with_cp=True: a search does not recompute activations; leave it out')
        self.derived_config = dict(
            type='ppnas_mm.Plugged', backbone=copy.deepcopy(dict(backbone)), where=where, **kwargs
        )
        cells = dict.fromkeys(block.cell for _, block in self.blocks())
        self.set_cells(sorted(cells, key=lambda cell: int(cell[5:])), ops, groups)

    def maps(self, x: Tensor, mix: CellMix | None = None) -> tuple[Tensor, ...]:
        """Map images ``(N, C, H, W)`` to the maps that the library's backbone returns."""
        blocks: list[Any] = [block for _, block in self.blocks()]
        for block in blocks:
            block.held = (mix or {})[block.cell]
        try:
            return super().maps(x)
        finally:
            for block in blocks:
                del block.held
