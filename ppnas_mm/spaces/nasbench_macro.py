"""The space of NAS-Bench-Macro as a super-net backbone (Su et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backbones.nasbench_macro import MacroNBMacro
from ..tables.nasbench_macro import DEPTHS, OPS
from ..utils.registries import MODELS
from .chain import SearchedChain


@MODELS.register_module()
class NASBenchMacroSuperNet(SearchedChain, MacroNBMacro):
    """The super-net of NAS-Bench-Macro: eight blocks with three candidates each.

    Args:
        ops: Candidate operations, in the order of the benchmark's digits; its identity is a 1x1
            convolution where the shape changes, which is our ``shortcut``.
        depths: Number of blocks in each of the three stages.
        **kwargs: See :class:`MacroNBMacro`; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not in the space, or ``depths`` are not three numbers.
    """

    space = 'nasbench-macro'
    derived = 'NASBenchMacroNet'

    def __init__(
        self,
        ops: Sequence[str] = OPS,
        depths: Sequence[int] = DEPTHS,
        **kwargs: Any,
    ) -> None:
        super().__init__(ops, depths, **kwargs)
