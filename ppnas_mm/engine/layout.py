"""Memory layout of a training: channels-last, which depthwise convolutions on a CPU ask for."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook

from ..registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keeps convolution weights channels-last: the same numbers up to rounding, in less time."""

    priority = 'VERY_HIGH'

    def before_train(self, runner: Any) -> None:
        """Convert the model, also one that was resumed."""
        runner.model.to(memory_format=torch.channels_last)
