"""Memory layout of a training: channels-last, which depthwise convolutions on a CPU ask for."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from ..layers.custom_conv import to_channels_last
from ..utils.registries import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keeps convolution weights channels-last: the same numbers up to rounding, in less time.

    Convolutions that are none of torch's (deformable ones, for example) stay as they are.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        """Convert the model, also one that was resumed."""
        to_channels_last(runner.model)
