"""MobileNASNet: the MobileNet-like network of SE-NAS (Table 2) and of ProxylessNAS-GPU.

A 3x3 convolution of 40 channels, a fixed block of 24, six searched stages of 32, 56, 112, 128, 256
and 432 channels and a last 1x1 convolution of 1728; ReLU6, no channel attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..utils.registries import MODELS
from .chain import ChainFactory, ChainPlan, DerivedChain, MacroChain

MOBILE_PLAN = ChainPlan(
    stem=(40, 24),
    channels=(32, 56, 112, 128, 256, 432),
    strides=(2, 2, 2, 1, 2, 1),
    attention=False,
    act_cfg=dict(type='ReLU6'),
)


class MacroMobile(MacroChain):
    """The macro network of the mobile space.

    Its output stages are the resolutions: by default ``layer1`` and ``layer2`` are the searched
    stages 1 and 2, ``layer3`` the stages 3 and 4, ``layer4`` the stages 5 and 6 and the last
    convolution; they have 32, 56, 128 and 1728 channels.

    Args:
        chain, depths: See :class:`MacroChain`.
        strides: Strides of the six searched stages, 1 or 2 each; small images need fewer of 2.
        last_channels: Channels of the last 1x1 convolution; ``None``: no such convolution.
        **kwargs: See :class:`MacroChain`.

    Raises:
        ValueError: If ``variant``, ``width`` or ``strides`` is not possible.
    """

    plan = MOBILE_PLAN

    def __init__(
        self,
        chain: ChainFactory,
        depths: Sequence[int],
        strides: Sequence[int] = MOBILE_PLAN.strides,
        last_channels: int | None = 1728,
        **kwargs: Any,
    ) -> None:
        super().__init__(chain, depths, strides=strides, last_channels=last_channels, **kwargs)


@MODELS.register_module()
class MobileNASNet(DerivedChain, MacroMobile):
    """The network of a genotype of the mobile space.

    Example: ``MobileNASNet(arch='proxylessnas_gpu')`` with a linear head of 1000 classes has
    7.12 M parameters and 465 M multiply-adds for an image of 224 x 224, as its authors say.

    Args:
        arch, drop_path_rate: See :class:`DerivedChain`.
        **kwargs: See :class:`MacroMobile`.

    Raises:
        GenotypeError: If the architecture is not one of the mobile space.
    """

    space = 'mobile'
