"""Two optimizers, one backward pass: network weights and architecture parameters."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS
from torch import Tensor, nn

from ..registry import OPTIM_WRAPPER_CONSTRUCTORS


class SearchOptimWrapper(OptimWrapperDict):
    """``weights`` and ``arch``; unlike its parent it can update both from one loss (eq. 6).

    Bilevel algorithms use ``optim_wrapper['weights']`` and ``optim_wrapper['arch']`` one by one.
    """

    def update_params(
        self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None
    ) -> None:
        """Go backward once and step both optimizers; each clips its own gradients."""
        weights, arch = self['weights'], self['arch']
        weights.backward(weights.scale_loss(loss))
        if not weights.should_update():
            return
        scaler = getattr(weights, 'loss_scaler', None)
        if scaler is None:
            arch.step()
            weights.step()
        else:
            self._scaled_step(scaler)
        self.zero_grad()

    def _scaled_step(self, scaler: Any) -> None:
        """Step both optimizers under one loss scaler, or neither where a gradient overflowed."""
        finite = True
        for wrapper in self.values():
            scaler.unscale_(wrapper.optimizer)
            for group in wrapper.optimizer.param_groups:
                grads = [p.grad for p in group['params'] if p.grad is not None]
                finite = finite and all(bool(g.isfinite().all()) for g in grads)
        for wrapper in self.values() if finite else ():
            if wrapper.clip_grad_kwargs:
                wrapper._clip_grad()
            wrapper.optimizer.step()
        scaler.update()

    def optim_context(self, model: nn.Module) -> AbstractContextManager:
        """Return the weights' context (mixed precision, gradient accumulation)."""
        return self['weights'].optim_context(model)

    def initialize_count_status(self, model: nn.Module, cur_iter: int, max_iters: int) -> None:
        """Tell the weights' wrapper, which counts for both, where the run stands."""
        self['weights'].initialize_count_status(model, cur_iter, max_iters)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SearchOptimConstructor:
    """Splits a search algorithm's parameters into ``weights`` and ``arch``.

    Example:
        >>> optim_wrapper = dict(
        ...     constructor='ppnas_mm.SearchOptimConstructor',
        ...     weights=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4)),
        ...     arch=dict(optimizer=dict(type='Adam', lr=1e-3)))

    ``weights`` takes all that mmengine's default constructor takes, ``paramwise_cfg`` included.

    Raises:
        KeyError: If the config has other parts than these two.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if set(optim_wrapper_cfg) != {'weights', 'arch'} or paramwise_cfg:
            raise KeyError(
                "optim_wrapper: expected the parts 'weights' and 'arch', got "
                f'{sorted(optim_wrapper_cfg)}; paramwise_cfg belongs into weights'
            )
        self.weights = dict(optim_wrapper_cfg['weights'])
        self.arch = dict(optim_wrapper_cfg['arch'])

    def __call__(self, model: nn.Module) -> SearchOptimWrapper:
        """Build both wrappers for a :class:`SearchAlgorithm`."""
        algorithm: Any = model.module if is_model_wrapper(model) else model
        arch = list(algorithm.arch_parameters().values())
        owned = {id(p) for p in arch}
        config = dict(self.weights)
        paramwise = config.pop('paramwise_cfg', None)
        config.setdefault('type', 'OptimWrapper')
        weights = DefaultOptimWrapperConstructor(config, paramwise)(algorithm)
        groups = weights.optimizer.param_groups
        for group in groups:
            group['params'] = [p for p in group['params'] if id(p) not in owned]
        groups[:] = [group for group in groups if group['params']]
        config = {'type': 'OptimWrapper', **self.arch}
        optimizer = OPTIMIZERS.build({**config.pop('optimizer'), 'params': arch})
        wrapper: OptimWrapper = OPTIM_WRAPPERS.build({**config, 'optimizer': optimizer})
        return SearchOptimWrapper(weights=weights, arch=wrapper)
