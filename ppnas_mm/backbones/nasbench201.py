"""NASBench201Net: one cell of the NAS-Bench-201 space, stacked 15 times.

NAS-Bench-201 (Dong and Yang, 2020), Section 2.1: three stages of cells with 16, 32 and 64 channels;
a ResNet block halves the resolution between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..genotype import Genotype, GenotypeError
from ..layers.ops import PRE_ACTIVATION, ConvStyle, OpSpec
from ..layers.recompute import run_block
from ..utils.registries import MODELS
from .base import Backbone, CellMix
from .darts import CellDAG, DAGFactory, without_affine

STAGES = 3


class SumCell(nn.Module):
    """A cell whose output is its last node.

    Args:
        dag: The inner graph; it maps one input to the list of its computed nodes.
    """

    def __init__(self, dag: nn.Module) -> None:
        super().__init__()
        self.dag = dag

    def forward(self, x: Tensor, *mix: Any) -> Tensor:
        """Map ``(N, C, H, W)`` to the same shape; ``mix`` is passed to the graph of a super-net."""
        return self.dag([x], *mix)[-1]


class ReductionBlock(nn.Module):
    """A basic ResNet block with stride 2, activations first.

    The shortcut averages 2x2 pixels (an odd last row or column counts fully) before its 1x1
    convolution.
    """

    def __init__(self, in_channels: int, channels: int, style: ConvStyle) -> None:
        super().__init__()
        self.conv1 = style.conv(in_channels, channels, 3, stride=2, order=PRE_ACTIVATION)
        self.conv2 = style.conv(channels, channels, 3, order=PRE_ACTIVATION)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True),
            style.plain_conv(in_channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C, ceil(H / 2), ceil(W / 2))``."""
        return self.shortcut(x) + self.conv2(self.conv1(x))


class MacroNB201(Backbone):
    """The macro network around the cells: derived networks and super-nets.

    Stage ``layerS`` is a list: a reduction block (except in ``layer1``), the cells, and at the very
    end, with ``last_act``, norm and activation.

    Args:
        dag: Builds the inner graph of a cell.
        cells_per_stage: Number of cells in each stage.
        init_channels: Width of the first stage; it doubles from stage to stage.
        last_act: Whether norm and activation follow the last cell (NAS-Bench-201: yes; the CDARTS
            authors' search: no).
        in_channels: Channels of the images.
        out_indices, **kwargs: See :class:`Backbone`; ``affine=False`` of the norms applies to the
            cells only.

    Raises:
        ValueError: If a stage would have no cell.
    """

    def __init__(
        self,
        dag: DAGFactory,
        cells_per_stage: int = 5,
        init_channels: int = 16,
        last_act: bool = True,
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2),
        **kwargs: Any,
    ) -> None:
        if cells_per_stage < 1:
            raise ValueError(f'cells_per_stage={cells_per_stage}: expected 1 or more')
        super().__init__(out_indices, **kwargs)
        style, fixed = self.style, without_affine(self.style)
        widths = [init_channels * 2**s for s in range(STAGES)]
        self.stem = nn.Sequential(fixed.conv(in_channels, widths[0], 3, act=False))
        names = [f'layer{s + 1}' for s in range(STAGES)]
        for s, (name, width) in enumerate(zip(names, widths, strict=True)):
            blocks: list[nn.Module] = [ReductionBlock(widths[s - 1], width, fixed)] if s else []
            spec = OpSpec(width, width, style)
            blocks += [SumCell(dag('cell', spec)) for _ in range(cells_per_stage)]
            if last_act and name == names[-1]:
                blocks.append(nn.Sequential(fixed.norm(width), fixed.act()))
            self.add_module(name, nn.ModuleList(blocks))
        self.set_stages(names, widths, [2**s for s in range(STAGES)])

    def maps(self, x: Tensor, mix: CellMix | None = None) -> tuple[Tensor, ...]:
        """Map images to maps; the cells are ``cell``, the only one (see :class:`Backbone`)."""
        x = self.stem(x)
        outputs = {}
        for s, stage in enumerate(self.computed):
            for block in stage:  # type: ignore[attr-defined]
                given = (mix['cell'],) if mix is not None and isinstance(block, SumCell) else ()
                x = run_block(block, block, x, *given, with_cp=self.with_cp)
            outputs[s] = x
        return tuple(outputs[s] for s in self.out_indices)


@MODELS.register_module()
class NASBench201Net(MacroNB201):
    """The network of a cell of the NAS-Bench-201 space.

    Example: the cell of six 3x3 convolutions has 1.531546 M parameters with a linear classifier
    for 10 classes, the cell of six ``none`` 0.073306 M (the largest and least in the benchmark).

    Args:
        arch: A path of a genotype, or a dict.
        drop_path_rate: Probability of dropping an edge; ``DropPathHook`` raises it to this over
            the training.
        **kwargs: See :class:`MacroNB201`.

    Raises:
        GenotypeError: If the architecture is not one of the NAS-Bench-201 space.
    """

    def __init__(self, arch: Any, drop_path_rate: float = 0.0, **kwargs: Any) -> None:
        genotype = Genotype.load(arch)
        if genotype.space != 'nasbench201':
            raise GenotypeError(
                f'arch: NASBench201Net needs a nasbench201 genotype, got {genotype.space!r}'
            )
        (cell,) = genotype.cells

        def dag(kind: str, spec: OpSpec) -> nn.Module:
            return CellDAG(cell, spec, drop_path_rate, outputs=[len(cell.nodes)])

        super().__init__(dag, **kwargs)
        self.genotype = genotype

    def idle(self) -> list[nn.Module]:
        """Return the modules that no returned map depends on.

        If ``none`` disconnects the cell, its output does not depend on earlier blocks.
        """
        stages: list[list[Any]] = [list(stage) for stage in self.computed]  # type: ignore[call-overload]
        if 0 in stages[0][0].dag.read:  # the first block is a cell
            return super().idle()
        behind = [self.stem]
        for s, stage in enumerate(stages):
            last = max(i for i, block in enumerate(stage) if isinstance(block, SumCell))
            behind += stage[:last] if s in self.out_indices else stage
        return [*behind, *super().idle()]
