"""Channels-last memory layout in training, which is faster for depthwise convolutions on a CPU."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from ..layers.memory_layout import to_channels_last
from ..utils.registries import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keeps convolution weights channels-last: the same results up to rounding, but faster.

    Convolutions other than torch's (for example deformable ones) stay unchanged.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        """Convert the model, including a resumed one."""
        to_channels_last(runner.model)
