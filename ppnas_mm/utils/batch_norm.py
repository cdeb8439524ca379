"""Batch-norm statistics: recomputed on training data, or taken from each batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from mmengine.dist import broadcast
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn


class _LossForward(nn.Module):
    """Adapts an mm-model to ``update_bn``: one call, one training forward."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, data: Any) -> None:
        model: Any = self.model
        processed = model.data_preprocessor(data, True)
        if isinstance(processed, dict):
            model(**processed, mode='loss')
        else:
            model(*processed, mode='loss')


def recalibrate(model: nn.Module, loader: Iterable, batches: int) -> None:
    """Recompute the running statistics of all batch norms on ``batches`` training batches.

    The statistics of a super-net belong to mixed features and differ from the derived network's.
    """
    if batches:
        update_bn(islice(iter(loader), batches), _LossForward(model))
        for buffer in model.buffers():  # each process has seen its own part of the data
            broadcast(buffer)
    model.eval()


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Evaluate with the statistics of each batch; running statistics do not change.

    The rest of the model is in evaluation mode within the context.
    """
    modes = {module: module.training for module in model.modules()}
    norms = [module for module in modes if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 0.0  # a batch does not change the running statistics
    try:
        with torch.no_grad():
            yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes.items():
            module.training = training
