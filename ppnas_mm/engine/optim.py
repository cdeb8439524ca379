"""Several optimizers for one search: network weights, architecture parameters, other parts."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper, OptimWrapperDict
from torch import Tensor, nn
from torch.optim import Optimizer

from ..spaces.expansion import Expandable
from ..utils.distributed import average as average_gradients
from ..utils.registries import OPTIM_WRAPPER_CONSTRUCTORS


class SearchOptimWrapper(OptimWrapperDict):
    """Optimizers of ``weights``, ``arch`` and other parts; one loss can update any of them.

    One-level algorithms update both at once (PP-NAS, eq. 6); bilevel ones name the parts.

    Args:
        model: The model to optimise; the optimizers follow its pruning and expansion.
        **wrappers: The parts.

    Attributes:
        norms: Norms of the gradients clipped in the last step, by name.
    """

    def __init__(self, model: nn.Module, **wrappers: OptimWrapper) -> None:
        super().__init__(**wrappers)
        self.model = model
        self.norms: dict[str, Tensor | None] = {}

    def follow_model(self) -> None:
        """Remove pruned parameters and add new copies of parameters.

        A copy (see :class:`Expandable`) joins the parameter group of its source, with a copy of the
        optimizer state.  Groups keep the order of the model, so that a resumed search has the same
        groups.
        """
        parents: dict[nn.Parameter, nn.Parameter] = {}
        for module in self.model.modules():
            if isinstance(module, Expandable):
                parents.update(module.take_heirs())
        order = {p: i for i, p in enumerate(self.model.parameters())}
        for wrapper in self.optim_wrappers.values():
            optimizer = wrapper.optimizer
            _adopt(optimizer, [p for p in order if p in parents], parents)
            for group in optimizer.param_groups:  # keep empty groups: schedules count them
                left = [p for p in group['params'] if p in order]
                group['params'] = sorted(left, key=order.__getitem__)
            for parameter in [p for p in optimizer.state if p not in order]:
                del optimizer.state[parameter]

    def load_state_dict(self, state_dict: dict) -> None:
        """Load the state of optimizers after the model was pruned or expanded."""
        self.follow_model()
        super().load_state_dict(state_dict)

    def update_params(
        self, loss: Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None
    ) -> None:
        """Run one backward pass and step all parts; each clips its own gradients."""
        self.update_parts(loss, tuple(self.optim_wrappers))

    def update_parts(self, loss: Tensor, parts: Sequence[str], average: bool = False) -> None:
        """Run one backward pass, step the named parts and clear all gradients.

        Args:
            loss: The loss to minimise.
            parts: Names of the parts to step, each with its own clipping.
            average: Whether to average the gradients over the processes, which is needed without
                DDP.

        Raises:
            ValueError: If gradients are accumulated over steps that update different parts.
        """
        weights, chosen = self['weights'], [self[part] for part in parts]
        if set(parts) != set(self.optim_wrappers) and weights._accumulative_counts != 1:
            raise ValueError(
                f'accumulative_counts={weights._accumulative_counts}: a search with several '
                'updates per step cannot accumulate gradients; use a smaller batch'
            )
        weights.backward(weights.scale_loss(loss))
        if not weights.should_update():
            return
        if average:
            owned = (p for part in chosen for p in _parameters(part))
            average_gradients(p.grad for p in owned if p.grad is not None)
        scaler = getattr(weights, 'loss_scaler', None)
        if scaler is not None:
            self._scaled_step(scaler, chosen)
        else:
            for part in reversed(chosen):
                plain = type(part).step is OptimWrapper.step
                self._step(part) if plain else part.step()
        self.zero_grad()

    def _scaled_step(self, scaler: Any, chosen: Sequence[OptimWrapper]) -> None:
        """Step the parts with one loss scaler; skip the step if a gradient overflowed."""
        norms: list[Tensor] = []
        for wrapper in chosen:
            scaler.unscale_(wrapper.optimizer)
            grads = [p.grad for p in _parameters(wrapper) if p.grad is not None]
            norms += torch._foreach_norm(grads) if grads else []
        if not norms:  # nothing to step, and the scaler has no gradients
            return
        # reads one value from the GPU, as torch's scaler does
        if bool(torch.stack(norms).isfinite().all()):
            for wrapper in chosen:
                self._step(wrapper)
        scaler.update()

    def _step(self, wrapper: OptimWrapper) -> None:
        """Clip and step; mmengine's clipping would read the norm from the GPU in every step."""
        grown = [p for p in _parameters(wrapper) if p.requires_grad and p.grad is not None]
        if wrapper.clip_grad_kwargs and grown:
            norm = wrapper.clip_func(grown, **wrapper.clip_grad_kwargs)
            self.norms[wrapper.grad_name] = norm
        wrapper.optimizer.step()

    def optim_context(self, model: nn.Module) -> AbstractContextManager:
        """Return the weights' context (mixed precision, gradient accumulation)."""
        return self['weights'].optim_context(model)

    def initialize_count_status(self, model: nn.Module, cur_iter: int, max_iters: int) -> None:
        """Tell the weights' wrapper, which counts for all parts, the progress of the run."""
        self['weights'].initialize_count_status(model, cur_iter, max_iters)


def _adopt(
    optimizer: Optimizer,
    heirs: Sequence[nn.Parameter],
    parents: Mapping[nn.Parameter, nn.Parameter],
) -> None:
    """Add copies to the group of the nearest ancestor that the optimizer knows."""
    groups = {p: group for group in optimizer.param_groups for p in group['params']}
    for heir in heirs:
        known: nn.Parameter | None = heir
        while known is not None and known not in groups:
            known = parents.get(known)
        if known is None or known is heir:
            continue
        groups[known]['params'].append(heir)
        if known in optimizer.state:
            optimizer.state[heir] = copy.deepcopy(optimizer.state[known])


def _parameters(wrapper: OptimWrapper) -> list[nn.Parameter]:
    return [p for group in wrapper.optimizer.param_groups for p in group['params']]


class _PartConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor for a part of a model's parameters.

    Args:
        config: The part's config.
        paramwise: Its ``paramwise_cfg``.
        owned: The part's parameters.
    """

    def __init__(self, config: dict, paramwise: dict | None, owned: Iterable[nn.Parameter]) -> None:
        super().__init__(config, paramwise)
        self.owned = {id(p) for p in owned}

    def __call__(self, model: Any) -> OptimWrapper:
        """Build the optimizer and its wrapper."""
        if not self.paramwise_cfg:  # one group: mmengine then only calls parameters()
            mine = [p for p in model.parameters() if id(p) in self.owned]
            model = SimpleNamespace(parameters=lambda: mine)
        return super().__call__(model)

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', *args: Any, **kwargs: Any
    ) -> None:
        """Add the groups of the part's parameters."""
        super().add_params(params, module, prefix, *args, **kwargs)
        if not prefix:  # after the whole model
            for group in params:
                group['params'] = [p for p in group['params'] if id(p) in self.owned]
            params[:] = [group for group in params if group['params']]


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SearchOptimConstructor:
    """Splits a search algorithm's parameters into ``weights``, ``arch`` and other parts it names.

    Example:
        >>> optim_wrapper = dict(
        ...     constructor='ppnas_mm.SearchOptimConstructor',
        ...     weights=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4)),
        ...     arch=dict(optimizer=dict(type='Adam', lr=1e-3)))

    Each part takes the options of mmengine's default constructor, including ``paramwise_cfg``.
    A part ``arch`` may stay in the config of an algorithm without alpha.

    Raises:
        KeyError: If the parts in the config differ from those of the algorithm.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        self.config = dict(optim_wrapper_cfg)
        if paramwise_cfg:
            raise KeyError('optim_wrapper: paramwise_cfg belongs in weights')

    def __call__(self, model: nn.Module) -> SearchOptimWrapper:
        """Build a wrapper for each part of a :class:`SearchAlgorithm`."""
        algorithm: Any = model.module if is_model_wrapper(model) else model
        parts = algorithm.optim_parts()
        if 'arch' in self.config and 'arch' not in parts:  # as in the config of another search
            print_log(f'optim_wrapper.arch: {type(algorithm).__name__} has no alpha', 'current')
            del self.config['arch']
        if set(self.config) != set(parts):
            raise KeyError(
                f'optim_wrapper: {type(algorithm).__name__} has the parts {sorted(parts)}, got '
                f'{sorted(self.config)}'
            )
        wrappers = {}
        for name, owned in parts.items():
            config = {'type': 'OptimWrapper', **self.config[name]}
            paramwise = config.pop('paramwise_cfg', None)
            if paramwise:  # two networks of one search may share parameters
                paramwise = {'bypass_duplicate': True, **paramwise}
            wrappers[name] = _PartConstructor(config, paramwise, owned)(algorithm)
        return SearchOptimWrapper(algorithm, **wrappers)
