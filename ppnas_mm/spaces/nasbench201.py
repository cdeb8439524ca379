"""The NAS-Bench-201 space as a super-net backbone (Dong and Yang, 2020).

One cell of an input and three computed nodes: each of its six edges chooses among five operations,
and ``none`` is one of them.  All edges are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ..backbones.nasbench201 import MacroNB201
from ..layers.ops import OpSpec
from ..utils.registries import MODELS
from .mixed_dag import MixedDAG, edge_weights
from .mixture import ArchPath, Choice, Relaxed
from .super_net import SuperNet

NB201_OPS = ('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3')
NODES = 3


@MODELS.register_module()
class NASBench201SuperNet(SuperNet, MacroNB201):
    """The super-net of the NAS-Bench-201 space.

    Args:
        ops: Candidate operations, in the order of the benchmark and of the CDARTS authors.
        norm_cfg: Batch norm without affine parameters in the cells by default, as in the searches
            of the benchmark and of CDARTS.
        **kwargs: See :class:`MacroNB201`; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is given twice or is not in the space, or only ``none`` is
            given.
    """

    space = 'nasbench201'
    cell_inputs = 1

    def __init__(
        self, ops: Sequence[str] = NB201_OPS, norm_cfg: dict | None = None, **kwargs: Any
    ) -> None:
        self.check_ops(ops)
        kwargs['norm_cfg'] = dict(type='BN', affine=False) if norm_cfg is None else norm_cfg

        def dag(kind: str, spec: OpSpec) -> nn.Module:
            return MixedDAG(kind, self.cell_inputs, NODES, ops, spec)

        super().__init__(dag=dag, **kwargs)
        self.derived_config = dict(type='ppnas_mm.NASBench201Net', **kwargs)
        nodes = range(self.cell_inputs, self.cell_inputs + NODES)
        choices = [Choice('cell', n, tuple(ops), source=i) for n in nodes for i in range(n)]
        self.set_choices(choices, Relaxed())

    def cell_weights(self) -> dict[str, Any]:
        """Return the weights of every edge, by cell."""
        return edge_weights(self)

    def remarks(self, path: ArchPath) -> list[str]:
        """Report cells in which ``none`` cuts every path from input to output.

        The benchmark contains such cells, so they are valid results.
        """
        reached = {0}
        for name, choice in self.choices.items():  # in the order of the nodes
            if choice.source in reached and choice.candidates[path[name][0]] != 'none':
                reached.add(choice.node)
        cut = self.cell_inputs + NODES - 1 not in reached
        return ["'none' cuts every way from the input of the cell to its output"] if cut else []
