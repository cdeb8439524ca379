"""Data-parallel copies of a search whose step has several backward passes."""

from __future__ import annotations

from typing import Any

from mmengine.dist import broadcast, get_world_size
from torch import nn

from ..utils.registries import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class Replicas(nn.Module):
    """One copy of the model per process, equal at the start; the algorithm averages gradients.

    Replaces DDP if a step has several backward passes over parts of the model.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        if get_world_size() > 1:
            for value in module.state_dict().values():
                broadcast(value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: Any) -> Any:
        """Train as the model does."""
        module: Any = self.module
        return module.train_step(data, optim_wrapper)

    def val_step(self, data: Any) -> Any:
        """Predict as the model does."""
        module: Any = self.module
        return module.val_step(data)

    def test_step(self, data: Any) -> Any:
        """Predict as the model does."""
        module: Any = self.module
        return module.test_step(data)
