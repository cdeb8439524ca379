"""The mobile space of SE-NAS (Table 2) as a super-net backbone.

21 MBConv blocks with searched kernels and expansions; the identity in place of a block also
searches the depth of a stage.  It is not a candidate in the first block of a stage, which changes
the shape (paper; so there are 6^6 7^15 architectures, not the 7^21 that the paper prints).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backbones.mobile import MacroMobile
from ..utils.registries import MODELS
from .chain import SearchedChain

MOBILE_OPS = (*(f'mbconv_{k}x{k}_e{e}' for k in (3, 5, 7) for e in (3, 6)), 'identity')
"""The candidates of SE-NAS-A to -C."""

MOBILE_GROUPED_OPS = tuple(f'mbconv_{k}x{k}_e6_g2' for k in (3, 5, 7))
"""Three more candidates of SE-NAS-D, with two groups in the 1x1 convolutions.

The paper states only the groups; the expansion 6 is an assumption.
"""


@MODELS.register_module()
class MobileSuperNet(SearchedChain, MacroMobile):
    """The super-net of the mobile space.

    Args:
        ops: Candidate operations; SE-NAS-D: ``(*MOBILE_OPS, *MOBILE_GROUPED_OPS)``.
        depths: Maximum number of blocks in each of the six stages; each identity removes one.
        **kwargs: See :class:`MacroMobile`; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not in the space, only the identity is given, or ``depths``
            are not six numbers.
    """

    space = 'mobile'
    derived = 'MobileNASNet'

    def __init__(
        self,
        ops: Sequence[str] = MOBILE_OPS,
        depths: Sequence[int] = (4, 4, 4, 4, 4, 1),
        **kwargs: Any,
    ) -> None:
        super().__init__(ops, depths, **kwargs)
