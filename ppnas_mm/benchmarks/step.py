"""One training step of a model, as in its training or search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from ..algorithms.bilevel import BilevelSearch
from ..utils.compat import require
from ..utils.registries import MODELS
from .networks import DTYPES

SGD = dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4)
ADAM = dict(type='Adam', lr=3e-4)


@dataclass(frozen=True)
class Setting:
    """Settings of a step.

    Attributes:
        batch, size: Number of images and their side.
        device: ``'cpu'`` or ``'cuda'``.
        dtype: Key of ``networks.DTYPES``; types other than fp32 use torch's autocast, without a
            scaler.
        channels_last: Whether convolution weights are channels-last, as in the searches.
    """

    batch: int
    size: int
    device: str = 'cpu'
    dtype: str = 'fp32'
    channels_last: bool = True


def classifier(backbone: dict[str, Any], classes: int) -> dict[str, Any]:
    """Return the config of mmpretrain's classifier: backbone, global average pool, one layer."""
    with torch.device('meta'):
        channels = MODELS.build(dict(backbone)).out_channels[-1]
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=backbone,
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead',
            num_classes=classes,
            in_channels=channels,
            loss=dict(type='CrossEntropyLoss'),
        ),
        data_preprocessor=dict(
            type='mmpretrain.ClsDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
        ),
    )


def make_step(
    model: dict[str, Any],
    setting: Setting,
    wrapper: dict[str, Any] | None = None,
    optimizer: dict[str, Any] | None = None,
) -> Callable[[], dict[str, Any]]:
    """Return a function for one step: losses, gradients and optimizers.

    The step returns its logs, ``loss`` and others.

    Args:
        model: Config of a classifier, or of a search algorithm around one.
        setting: Settings of the step; images and labels are random, but always the same.
        wrapper, optimizer: More arguments of each optimizer wrapper and of each optimizer: Adam for
            alpha, SGD for all other parameters.
    """
    samples = require('mmpretrain.structures')
    require('mmpretrain.models')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        net: Any = MODELS.build(model).to(setting.device).train()
        sgd, adam = (
            dict(optimizer={**kind, **(optimizer or {})}, **(wrapper or {})) for kind in (SGD, ADAM)
        )
        config: dict[str, Any] = sgd
        if hasattr(net, 'optim_parts'):
            config = {part: adam if part == 'arch' else sgd for part in net.optim_parts()}
            config['constructor'] = 'ppnas_mm.SearchOptimConstructor'
        optimizers = build_optim_wrapper(net, config)
    if setting.channels_last:
        net.to(memory_format=torch.channels_last)
    if hasattr(net, 'before_epoch'):  # after the warm-up, in an epoch that trains all parts
        late = getattr(net, 'warmup_epochs', 0) + getattr(net, 'separate_epochs', 0)
        net.before_epoch(1 + late)

    def batch() -> dict[str, Any]:
        shape = (3, setting.size, setting.size)
        inputs = [torch.randint(0, 256, shape).byte() for _ in range(setting.batch)]
        labels = [samples.DataSample().set_gt_label(i % 10) for i in range(setting.batch)]
        return dict(inputs=inputs, data_samples=labels)

    data = dict(train=batch(), val=batch()) if isinstance(net, BilevelSearch) else batch()

    def step() -> dict[str, Any]:
        low = setting.dtype != 'fp32'
        with torch.autocast(setting.device, DTYPES[setting.dtype] if low else None, enabled=low):
            return net.train_step(data, optimizers)

    return step


def profile(step: Callable[[], Any], device: str) -> str:
    """Return torch.profiler's table of one step after a warm-up step: the 25 longest kernels."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    step()
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * (device == 'cuda')]
    with profiler(activities=activities) as found:
        step()
    return found.key_averages().table(sort_by='self_cpu_time_total', row_limit=25)
