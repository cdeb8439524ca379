"""SGD with stable weight decay (PP-NAS, Section IV-C, reference 62: arXiv 2011.11152)."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import SGD

from ..utils.registries import OPTIMIZERS


@OPTIMIZERS.register_module()
class StableSGD(SGD):
    """SGD whose weight decay does not depend on the momentum: "SGDS".

    ``v = momentum v + g``, ``w = (1 - lr weight_decay / (1 - momentum)) w - lr v``: the decay is
    decoupled from the gradient, and in the long run as strong as in torch's SGD.

    Args:
        params, lr, momentum, **kwargs: As torch's ``SGD``.
        weight_decay: Weight decay.

    Raises:
        ValueError: If the momentum is 1 or more.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f'StableSGD: momentum={momentum}: expected 0 or more, below 1')
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay, **kwargs)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        """Decay the weights that have a gradient, then step without decay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        decays = [group['weight_decay'] for group in self.param_groups]
        for group, decay in zip(self.param_groups, decays, strict=True):
            factor = 1 - group['lr'] * decay / (1 - group['momentum'])
            for parameter in group['params']:
                if parameter.grad is not None:
                    parameter.mul_(factor)
            group['weight_decay'] = 0.0
        try:
            super().step()
        finally:
            for group, decay in zip(self.param_groups, decays, strict=True):
                group['weight_decay'] = decay
        return loss
