"""PPConv as a convolution layer: ``conv_cfg=dict(type='ppnas_mm.PPConv', arch=...)``."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.utils import _pair

from ..genotype import Genotype, GenotypeError
from ..layers.ops import ConvStyle
from ..layers.plug import PlugError
from ..utils.registries import MODELS
from .pp_conv import PPConv


class PPConvLayer(PPConv):
    """A :class:`PPConv` with the attributes that ``mmcv.cnn.ConvModule`` reads."""

    def __init__(self, width: int, like: nn.Conv2d, *args: Any) -> None:
        super().__init__(*args)
        self.in_channels = self.out_channels = width
        self.kernel_size, self.stride, self.padding = like.kernel_size, like.stride, like.padding
        self.dilation, self.transposed, self.output_padding = like.dilation, False, (0, 0)


@MODELS.register_module('PPConv')
def pp_conv_layer(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    *args: Any,
    arch: Any,
    stage: int = 1,
    norm_cfg: dict | None = None,
    act_cfg: dict | None = None,
    **kwargs: Any,
) -> nn.Module:
    """Build a searched block where a plain convolution would keep the width and the size.

    All other convolutions (1x1, a stride, other channels, several groups) are ``nn.Conv2d``, so a
    whole network can have this ``conv_cfg``.

    Args:
        in_channels, out_channels, kernel_size, *args, **kwargs: As in ``nn.Conv2d``.
        arch: A published name, a path of a genotype, or a dict, of the space ``ppconv``.
        stage: The cell of the architecture, from 1.
        norm_cfg, act_cfg: Of the block's own convolutions; batch norm and ReLU by default.

    Raises:
        GenotypeError: If the architecture is of another space or has no such cell.
        PlugError: If the number of groups does not divide the channels of a block.
    """
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, *args, **kwargs)
    size, rate = _pair(kernel_size), conv.dilation
    same = tuple(r * (k - 1) // 2 for k, r in zip(size, rate, strict=True))
    plain = (conv.stride, conv.groups, in_channels) == ((1, 1), 1, out_channels)
    if not plain or size[0] != size[1] or size[0] == 1 or conv.padding != same:
        return conv
    genotype = Genotype.load(arch)
    if genotype.space != 'ppconv' or not 1 <= stage <= len(genotype.cells):
        raise GenotypeError(
            f'PPConv: expected a ppconv genotype and stage=1..{len(genotype.cells)}, got '
            f'{genotype.space!r}, stage={stage}'
        )
    cell = genotype.cells[stage - 1]
    if in_channels % cell.inputs:
        raise PlugError(
            f'PPConv: a convolution of {in_channels} channels, which D={cell.inputs} groups do not '
            'divide; choose an architecture with another D'
        )
    style = ConvStyle(None, norm_cfg or dict(type='BN'), act_cfg or dict(type='ReLU'))
    return PPConvLayer(in_channels, conv, cell, in_channels, rate[0], style)
