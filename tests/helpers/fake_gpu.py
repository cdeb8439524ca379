"""A GPU without one: whole steps on torch's meta device, forwards on a fake CUDA device.

Meta tensors have shapes, types and a device, but no values.  A step that mixes them with tensors of
the CPU fails as it would on a GPU, and a step that reads a value of theirs is recorded: on a GPU it
would wait there for all work that the host has queued.  Fake CUDA tensors know autocast, but
autograd refuses them where no GPU is.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

OTHERS = ('/torch/', '/mmengine/', '/mmpretrain/', 'fake_gpu.py', 'contextlib.py')


def place() -> str:
    """``FILE:FUNCTION`` of the innermost frame that is of this project."""
    frames = traceback.extract_stack()
    ours = [f for f in frames if not any(other in f.filename for other in OTHERS)]
    return f'{ours[-1].filename.rpartition("/")[2]}:{ours[-1].name}'


class HostReads(TorchDispatchMode):
    """Records where values on the meta device are brought to the host; makes ones up.

    Attributes:
        places: ``FILE:FUNCTION`` that asked for each, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs, name = dict(kwargs or {}), function._schema.name
        meta = bool(args) and isinstance(args[0], torch.Tensor) and args[0].is_meta
        if name == 'aten::_local_scalar_dense' and meta:
            self.places.append(place())
            return torch.ones((), dtype=args[0].dtype).item()
        if name == 'aten::_to_copy' and meta and kwargs.get('device') == torch.device('cpu'):
            self.places.append(place())
            return torch.ones(args[0].shape, dtype=kwargs.get('dtype') or args[0].dtype)
        return function(*args, **kwargs)


@contextmanager
def on_meta() -> Iterator[HostReads]:
    """Context of a step on the meta device, which autocast does not know."""
    real = torch.autocast

    def autocast(device: str, *args: Any, **kwargs: Any) -> Any:
        return nullcontext() if device == 'meta' else real(device, *args, **kwargs)

    with patch('torch.autocast', autocast), HostReads() as reads:
        yield reads


@contextmanager
def fake_cuda() -> Iterator[None]:
    """Context in which CUDA tensors can be made, and autocast is on for them."""
    never = patch('torch.cuda.amp.common.amp_definitely_not_available', return_value=False)
    short = patch('torch.cuda.is_bf16_supported', return_value=True)
    with never, short, FakeTensorMode(), torch.no_grad():
        yield


def to_fake_cuda(module: nn.Module) -> nn.Module:
    """Move parameters and buffers to the fake device as ``.to('cuda')`` does, and nothing else."""
    for part in module.modules():
        for members in (part._parameters, part._buffers):
            for key, value in members.items():
                if value is None:
                    continue
                # without a gradient: torch's CPU build ends the process at one of a CUDA tensor
                made = torch.empty_strided(
                    value.shape, value.stride(), dtype=value.dtype, device='cuda'
                )
                members[key] = nn.Parameter(made, False) if key in part._parameters else made
    return module
