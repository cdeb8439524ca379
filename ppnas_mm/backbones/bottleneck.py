"""The bottleneck of PP-ResNet and its baselines, for training and deployed."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import build_activation_layer
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from ..layers.deploy import input_conv
from ..layers.ops import ConvStyle
from ..layers.recompute import run_block
from .pp_conv import SumPPConv, same_pool


class Bottleneck(nn.Module):
    """1x1, middle convolution, 1x1 and shortcut, which pools before its 1x1 if there is a stride.

    Args:
        channels: Input and output channels.
        width: Channels of the middle convolution.
        conv2: The middle convolution.
        stride: Stride of the block, 1 or 2.
        pool: Whether an average pool before ``conv2`` has the stride; else ``conv2`` has it.
        start: Whether stride or channels change: then the shortcut has a 1x1 convolution.
        style: Convolution, norm and activation configs.
        drop_path_rate: Probability of dropping the block (stochastic depth).
        with_cp: Whether to recompute the block in the backward pass to save memory.
    """

    def __init__(
        self,
        channels: tuple[int, int],
        width: int,
        conv2: nn.Module,
        stride: int,
        pool: bool,
        start: bool,
        style: ConvStyle,
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        self.start = start
        self.with_cp = with_cp
        self.conv1 = style.conv(channels[0], width, 1)
        self.pool = same_pool() if stride == 2 and pool else nn.Identity()
        self.conv2 = conv2
        self.conv3 = style.conv(width, channels[1], 1, act=False)
        # pool and convolution keep their places, so that keys do not depend on the stride
        self.shortcut = nn.Sequential()
        if start:
            self.shortcut.append(
                nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
                if stride == 2
                else nn.Identity()
            )
            self.shortcut.append(style.conv(channels[0], channels[1], 1, act=False))
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate else nn.Identity()
        self.act = build_activation_layer(style.act_cfg)

    def _forward(self, x: Tensor, *mix: Any) -> Tensor:
        out = self.pool(self.conv1(x))
        out = self.conv2(out) if self.start else self.conv2(out, *mix)
        return self.act(self.drop_path(self.conv3(out)) + self.shortcut(x))

    def forward(self, x: Tensor, *mix: Any) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C_out, H / stride, W / stride)``.

        ``mix`` is what a super-net passes on to its searchable middle convolution.
        """
        return run_block(self, self._forward, x, *mix, with_cp=self.with_cp)

    def deployed(self) -> DeployedBottleneck:
        """Return what computes the same with less memory traffic."""
        return DeployedBottleneck(self)


class DeployedBottleneck(nn.Module):
    """A deployed :class:`Bottleneck`: adds in place; its last convolution holds the scales.

    Args:
        block: The block; do not use it afterwards.
    """

    def __init__(self, block: Bottleneck) -> None:
        super().__init__()
        self.conv1, self.pool, self.conv2 = block.conv1, block.pool, block.conv2
        self.conv3, self.shortcut, self.act = block.conv3, block.shortcut, block.act
        if hasattr(self.act, 'inplace'):
            self.act.inplace = True
        last = input_conv(self.conv3)
        if isinstance(self.conv2, SumPPConv) and last is not None:
            scales = last.weight.new_tensor(self.conv2.take_scales())
            last.weight.mul_(
                scales.repeat_interleave(last.in_channels // len(scales))[:, None, None]
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C_out, H / stride, W / stride)``."""
        out = self.conv3(self.conv2(self.pool(self.conv1(x))))
        return self.act(out.add_(self.shortcut(x)))
