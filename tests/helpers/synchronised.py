"""Batch norm over the batches of all processes, on a CPU: torch's own asks for a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

ALL_REDUCE = distributed.all_reduce


class Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        total = x.clone()
        ALL_REDUCE(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return Sum.forward(ctx, gradient.contiguous())


def forward(self: nn.SyncBatchNorm, x: Tensor) -> Tensor:
    """What ``nn.SyncBatchNorm.forward`` computes, written out."""
    if not self.training:
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
        )
    count = x.numel() // x.shape[1] * distributed.get_world_size()
    mean = Sum.apply(x.sum((0, 2, 3))) / count
    centred = x - mean[:, None, None]
    variance = Sum.apply(centred.square().sum((0, 2, 3))) / count
    with torch.no_grad():
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)
    y = centred / (variance + self.eps).sqrt()[:, None, None]
    if self.weight is None:
        return y
    return y * self.weight[:, None, None] + self.bias[:, None, None]


@contextmanager
def on_cpu() -> Iterator[None]:
    """Let ``nn.SyncBatchNorm`` work without a GPU, within DDP too."""
    with (
        patch.object(nn.SyncBatchNorm, 'forward', forward),
        patch.object(DistributedDataParallel, '_passing_sync_batchnorm_handle', lambda *args: None),
    ):
        yield
