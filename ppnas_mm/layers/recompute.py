"""Activation checkpointing: a block keeps its input and is recomputed in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.utils.checkpoint as cp
from torch import Tensor, nn

from .memory_layout import is_symbolic


def run_block(
    block: nn.Module, function: Callable[..., Tensor], *args: Any, with_cp: bool
) -> Tensor:
    """Return ``function(*args)``; with ``with_cp`` the backward pass recomputes it.

    The recomputation repeats the random draws and the precision (torch does this) and the choices
    of the forward pass (attributes that a module names in ``per_forward``).  It uses copies of the
    buffers, so running statistics see every batch once.  Under ``torch.compile`` the compiler takes
    care of this, except for its debugging backend ``eager``, which keeps everything.

    Args:
        block: The module that the function runs.
        function: The block itself or a method of it.
        *args: Its arguments.
        with_cp: Whether to use activation checkpointing.
    """
    if not with_cp or not torch.is_grad_enabled() or is_symbolic(*args):
        return function(*args)
    if torch.compiler.is_compiling():
        if not torch.compiler.is_dynamo_compiling() or _runs_as_traced():
            return function(*args)
        return cp.checkpoint(function, *args, use_reentrant=False)
    chosen = _choices(block)
    return cp.checkpoint(
        function,
        *args,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _once_more(block, chosen)),
    )


@torch.compiler.assume_constant_result
def _runs_as_traced() -> bool:
    """Whether the backend of ``torch.compile`` only runs what was traced.

    It would run a checkpointed block twice and update running statistics twice.
    """
    from torch._dynamo.symbolic_convert import InstructionTranslator

    backend = InstructionTranslator.current_tx().output.compiler_fn
    return str(getattr(backend, 'compiler_name', '')).startswith('eager')


Values = list[tuple[nn.Module, str, Any]]


def _choices(block: nn.Module) -> Values:
    """Return what the current forward pass has set: module, name and value."""
    names = ((m, n) for m in block.modules() for n in getattr(m, 'per_forward', ()))
    return [(module, name, getattr(module, name)) for module, name in names]


@contextmanager
def _once_more(block: nn.Module, chosen: Values) -> Iterator[None]:
    buffers: Values = [
        (module, name, buffer)
        for module in block.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    after = [*buffers, *_choices(block)]
    _set([*((module, name, buffer.clone()) for module, name, buffer in buffers), *chosen])
    try:
        yield
    finally:
        _set(after)


def _set(values: Values) -> None:
    for module, name, value in values:
        setattr(module, name, value)
