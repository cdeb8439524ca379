"""The DARTS search space as a super-net backbone (DARTS; CDARTS, Section 3.1, eq. 1).

A cell has two inputs and four computed nodes; each of its 14 edges chooses among eight operations,
and each node keeps two of its edges.  One architecture serves all normal cells, one all reduction
cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ..backbones.darts import MacroDARTS
from ..genotype import SPACE_RULES
from ..layers.ops import OpSpec
from ..utils.registries import MODELS
from .mixed_dag import MixedDAG, edge_weights
from .mixture import Choice, Relaxed
from .super_net import SuperNet

DARTS_OPS = (
    'max_pool_3x3',
    'avg_pool_3x3',
    'skip_connect',
    'sep_conv_3x3',
    'sep_conv_5x5',
    'dil_conv_3x3',
    'dil_conv_5x5',
    'none',
)
NODES = 4


@MODELS.register_module()
class DARTSSuperNet(SuperNet, MacroDARTS):
    """The super-net of the DARTS space.

    Args:
        ops: Candidate operations; ``none`` takes part in the softmax and is never chosen.
        combine: How a node combines its edges: ``'mean'`` (CDARTS authors' code) or ``'sum'``
            (CDARTS paper, DARTS).
        num_cells, init_channels: 8 and 16 in every search of the papers.
        norm_cfg: Batch norm without affine parameters by default, as in those searches.
        **kwargs: See :class:`MacroDARTS`; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not in the space, or only ``none`` is given.
    """

    space = 'darts'
    cell_inputs = 2

    def __init__(
        self,
        ops: Sequence[str] = DARTS_OPS,
        combine: str = 'mean',
        num_cells: int = 8,
        init_channels: int = 16,
        norm_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        self.check_ops(ops, mixed_only=('none',))
        kwargs.update(num_cells=num_cells, init_channels=init_channels)
        kwargs['norm_cfg'] = dict(type='BN', affine=False) if norm_cfg is None else norm_cfg

        def dag(kind: str, spec: OpSpec) -> nn.Module:
            return MixedDAG(kind, self.cell_inputs, NODES, ops, spec)

        super().__init__(dag=dag, nodes=dict(normal=NODES, reduction=NODES), **kwargs)
        self.derived_config = dict(type='ppnas_mm.DARTSNet', **kwargs)
        choices = []
        for cell in SPACE_RULES[self.space].cells or ():
            for node in range(2, 2 + NODES):
                sources = tuple(map(str, range(node)))
                choices.append(Choice(cell, node, sources, gates=True, keep=2, learned=False))
                choices += [Choice(cell, node, tuple(ops), source=i) for i in range(node)]
        self.set_choices(choices, Relaxed(combine))

    def cell_weights(self) -> dict[str, Any]:
        """Return the weights of every edge, by cell."""
        return edge_weights(self)
