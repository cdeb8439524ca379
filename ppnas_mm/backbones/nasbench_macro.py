"""NASBenchMacroNet: a chain of eight searched blocks (NAS-Bench-Macro, Su et al., CVPR 2021).

A 3x3 convolution of 32 channels, three stages of 64, 128 and 256 channels with two, three and three
blocks, which halve the resolution, and a last 1x1 convolution of 1280; ReLU, no channel attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..utils.registries import MODELS
from .chain import ChainFactory, ChainPlan, DerivedChain, MacroChain

MACRO_PLAN = ChainPlan(
    stem=(32,),
    channels=(64, 128, 256),
    strides=(2, 2, 2),
    attention=False,
    act_cfg=dict(type='ReLU'),
)


class MacroNBMacro(MacroChain):
    """The macro network of NAS-Bench-Macro.

    Args:
        chain, depths: See :class:`MacroChain`.
        variant: ``'cifar'``, as in the benchmark: outputs at 2, 4 and 8; ``'imagenet'``: the stem
            has a stride, too.
        last_channels: Channels of the last 1x1 convolution; ``None``: no such convolution.
        **kwargs: See :class:`MacroChain`.

    Raises:
        ValueError: If ``variant``, ``width`` or ``strides`` is not possible.
    """

    plan = MACRO_PLAN

    def __init__(
        self,
        chain: ChainFactory,
        depths: Sequence[int],
        variant: str = 'cifar',
        last_channels: int | None = 1280,
        **kwargs: Any,
    ) -> None:
        super().__init__(chain, depths, variant, last_channels=last_channels, **kwargs)


@MODELS.register_module()
class NASBenchMacroNet(DerivedChain, MacroNBMacro):
    """The network of a genotype of NAS-Bench-Macro.

    Example: eight times ``mbconv_5x5_e6`` has 2.932586 M parameters and 105.660928 M multiply-adds
    for an image of 32 x 32 with a linear classifier for 10 classes, as the benchmark says.

    Args:
        arch, drop_path_rate: See :class:`DerivedChain`.
        **kwargs: See :class:`MacroChain`.

    Raises:
        GenotypeError: If the architecture is not one of the space.
    """

    space = 'nasbench-macro'
