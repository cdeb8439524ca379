"""DARTSNet: cells of the DARTS space, stacked (DARTS; CDARTS, Section 3.3 and 4.1).

CIFAR: a stem of one convolution, then three stages of cells; ImageNet: three stem convolutions
down to stride 8, then three stages; segmentation: three stem convolutions down to stride 4, then
three stages (EoiNAS, Table IV).  Each stage of cells except the first begins with a reduction cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from ..genotype import Cell, Genotype, GenotypeError
from ..layers.memory_layout import cat_channels
from ..layers.ops import PRE_ACTIVATION, ConvStyle, FactorizedReduce, OpSpec, build_op
from ..layers.recompute import run_block
from ..utils.registries import MODELS
from .base import Backbone, CellMix

DAGFactory = Callable[[str, OpSpec], nn.Module]
"""Builds the inner graph from the name of the cell and the spec of its operations.

The graph maps the two preprocessed inputs to the list of its computed nodes; operations on edges
from the inputs have the stride of the spec, all others stride 1.
"""


class CellDAG(nn.Module):
    """The inner graph of one architecture: a node is the sum of its edges' operations.

    Args:
        cell: The architecture.
        spec: Spec of the operations; its stride is that of edges from input nodes.
        drop_path_rate: Probability of dropping an edge other than an identity, per sample.
        outputs: Numbers of the nodes that are read from outside; ``None``: all computed ones.

    Attributes:
        read: Numbers of the nodes, inputs included, that the outputs depend on.
    """

    def __init__(
        self,
        cell: Cell,
        spec: OpSpec,
        drop_path_rate: float = 0.0,
        outputs: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.inputs = cell.inputs
        self.sources = [[edge.sources[0] for edge in edges] for edges in cell.nodes]
        numbers = range(cell.inputs, cell.inputs + len(cell.nodes))
        self.read = set(numbers if outputs is None else outputs)
        for number, edges in reversed(list(zip(numbers, cell.nodes, strict=True))):
            if number in self.read:
                self.read |= {edge.sources[0] for edge in edges if edge.op != 'none'}
        inner = replace(spec, stride=1)
        self.nodes = nn.ModuleList(
            nn.ModuleList(
                build_op(e.op, spec if e.sources[0] < cell.inputs else inner) for e in edges
            )
            for edges in cell.nodes
        )
        self.drop_path = DropPath(drop_path_rate) if drop_path_rate else None

    @property
    def unread(self) -> list[nn.Module]:
        """Operations of nodes that nobody reads: they are computed, but cannot learn."""
        nodes = enumerate(self.nodes, self.inputs)
        return [node for number, node in nodes if number not in self.read]

    def forward(self, states: Sequence[Tensor]) -> list[Tensor]:
        """Map the inputs to the computed nodes."""
        values = list(states)
        edges: Any
        for edges, sources in zip(self.nodes, self.sources, strict=True):
            outputs = []
            for op, source in zip(edges, sources, strict=True):
                y = op(values[source])
                if self.drop_path is not None and not isinstance(op, nn.Identity):
                    y = self.drop_path(y)
                outputs.append(y)
            values.append(sum(outputs[1:], outputs[0]))
        return values[len(states) :]


class StemBlock(nn.Module):
    """A stem convolution of stride 2 inside a stage; it reads the newer input only."""

    def __init__(self, in_channels: int, channels: int, style: ConvStyle, act: bool) -> None:
        super().__init__()
        self.conv = (
            style.conv(in_channels, channels, 3, stride=2, order=PRE_ACTIVATION)
            if act
            else style.conv(in_channels, channels, 3, stride=2, act=False)
        )

    def forward(self, before: Tensor, x: Tensor, *mix: Any) -> Tensor:
        """Map the newer input ``(N, C_in, H, W)`` to ``(N, C, H / 2, W / 2)``."""
        return self.conv(x)


class CellBlock(nn.Module):
    """A cell: adapts both inputs to its width and resolution and concatenates its nodes.

    Args:
        in_channels: Channels of the two inputs.
        halve_first: Whether the first input has twice the resolution of the second.
        dag: The inner graph.
        channels: Width of the cell.
        style: Convolution, norm and activation configs.
        with_cp: Whether to recompute the cell in the backward pass to save memory.
    """

    kind: str

    def __init__(
        self,
        in_channels: tuple[int, int],
        halve_first: bool,
        dag: nn.Module,
        channels: int,
        style: ConvStyle,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        first, second = in_channels
        self.with_cp = with_cp
        self.preprocess0 = (
            FactorizedReduce(first, channels, style)
            if halve_first
            else style.conv(first, channels, 1, order=PRE_ACTIVATION)
        )
        self.preprocess1 = style.conv(second, channels, 1, order=PRE_ACTIVATION)
        self.dag = dag

    def _forward(self, before: Tensor, x: Tensor, *mix: Any) -> Tensor:
        states = [self.preprocess0(before), self.preprocess1(x)]
        return cat_channels(self.dag(states, *mix))

    def forward(self, before: Tensor, x: Tensor, *mix: Any) -> Tensor:
        """Map the outputs of the two blocks before to ``(N, nodes * channels, H', W')``.

        ``mix`` is what a super-net passes on to its inner graphs.
        """
        return run_block(self, self._forward, before, x, *mix, with_cp=self.with_cp)


def _is_reduction(block: nn.Module) -> bool:
    return isinstance(block, CellBlock) and block.kind == 'reduction'


VARIANTS = ('cifar', 'imagenet', 'segmentation')


def default_reductions(num_cells: int, variant: str = 'cifar') -> tuple[int, int]:
    """Indices of the reduction cells: at one and two thirds of the depth.

    Rounded down (DARTS' code) or, in the variant ``'segmentation'``, to the nearest: of ten cells 3
    and 7 (EoiNAS, Table IV; its authors' code has 3 and 6).
    """
    if variant == 'segmentation':
        return round(num_cells / 3), round(2 * num_cells / 3)
    return num_cells // 3, 2 * num_cells // 3


def without_affine(style: ConvStyle) -> ConvStyle:
    """Return the style of what is not searched: its norms have affine parameters."""
    norm = {k: v for k, v in style.norm_cfg.items() if k != 'affine'}
    return replace(style, norm_cfg=norm)


class MacroDARTS(Backbone):
    """The macro network around the inner graphs: derived networks and super-nets.

    Args:
        dag: Builds the inner graphs.
        nodes: Number of computed nodes of each cell by name; the output of a cell has this many
            times its width.
        variant: ``'cifar'`` (stem of stride 1, three stages), ``'imagenet'`` (the first two
            stages begin with stem convolutions of strides 4 and 8; four stages) or
            ``'segmentation'`` (strides 4, 8, 16: the first stage begins with a stem convolution;
            EoiNAS, Table IV).
        num_cells: Number of cells.
        init_channels: Width of the first cells; it doubles at each reduction.
        stem_multiplier: Width of the CIFAR stem, in widths of the first cells.
        reductions: Indices of the reduction cells; ``None``: :func:`default_reductions`.
        pool_norm: Whether a norm without parameters follows each pool (DARTS' search).
        auxiliary: Whether training also returns, first, the output of the last reduction cell, as
            an auxiliary classifier needs it.
        in_channels: Channels of the images.
        out_indices, **kwargs: See :class:`Backbone`; ``affine=False`` of the norms does not apply
            to the stem.

    Raises:
        ValueError: If ``variant`` or ``reductions`` is not possible.
    """

    def __init__(
        self,
        dag: DAGFactory,
        nodes: dict[str, int],
        variant: str = 'cifar',
        num_cells: int = 20,
        init_channels: int = 36,
        stem_multiplier: int = 3,
        reductions: Sequence[int] | None = None,
        pool_norm: bool = False,
        auxiliary: bool = False,
        in_channels: int = 3,
        out_indices: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        cuts = tuple(default_reductions(num_cells, variant) if reductions is None else reductions)
        if variant not in VARIANTS:
            raise ValueError(f'variant={variant!r}: expected one of {VARIANTS}')
        if list(cuts) != sorted(set(cuts)) or any(not 0 < c < num_cells for c in cuts):
            raise ValueError(f'reductions={cuts}: expected rising indices of 1..{num_cells - 1}')
        stages = len(cuts) + (2 if variant == 'imagenet' else 1)
        chosen = range(stages) if out_indices is None else out_indices
        super().__init__(chosen, **kwargs)
        style, stem = self.style, without_affine(self.style)
        self.auxiliary = auxiliary
        width = (stem_multiplier if variant == 'cifar' else 1) * init_channels
        stride, inputs, blocks = self._add_stem(variant, in_channels, width, stem)
        info = [(inputs[0], stride // 2)] * (len(blocks) - 1)
        halved, channels = stride > 1, init_channels
        for index in range(num_cells):
            reduces = index in cuts
            if reduces:
                info.append((inputs[1], stride))
                blocks.append([])
                channels, stride = 2 * channels, 2 * stride
            kind = 'reduction' if reduces else 'normal'
            spec = OpSpec(channels, channels, style, 1 + reduces, pool_norm=pool_norm)
            cell = CellBlock(inputs, halved, dag(kind, spec), channels, style, self.with_cp)
            cell.kind = kind
            blocks[-1].append(cell)
            inputs, halved = (inputs[1], nodes[kind] * channels), reduces
        info.append((inputs[1], stride))
        names = [f'layer{s + 1}' for s in range(len(blocks))]
        for name, members in zip(names, blocks, strict=True):
            self.add_module(name, nn.ModuleList(members))
        self.set_stages(names, *zip(*info, strict=True))

    def _add_stem(
        self, variant: str, in_channels: int, width: int, style: ConvStyle
    ) -> tuple[int, tuple[int, int], list[list[nn.Module]]]:
        """Add the stem.

        Returns:
            The stride before the cells, the channels of the first cell's two inputs, and the
            blocks of the stem that are inside stages, by stage.
        """
        if variant == 'cifar':
            self.stem = nn.Sequential(style.conv(in_channels, width, 3, act=False))
            return 1, (width, width), [[]]
        half = width // 2
        self.stem = nn.Sequential(style.conv(in_channels, half, 3, stride=2))
        down = StemBlock(half, width, style, False)
        if variant == 'segmentation':
            self.stem.append(style.conv(half, half, 3))
            return 4, (half, width), [[down]]
        return 8, (width, width), [[down], [StemBlock(width, width, style, True)]]

    def _computed_blocks(self, with_extra: bool) -> list[tuple[int, Any]]:
        """Return stage and block, in order, of what the maps and the auxiliary output need."""
        stages: Any = self.stages
        blocks = [(s, block) for s, stage in enumerate(stages) for block in stage]
        count = sum(s <= max(self.out_indices) for s, _ in blocks)
        if with_extra:
            reductions = [i for i, (_, block) in enumerate(blocks) if _is_reduction(block)]
            count = max([count, *(i + 1 for i in reductions)])
        return blocks[:count]

    def idle(self) -> list[nn.Module]:
        """Return the modules that no returned map, nor the auxiliary output, depends on."""
        computed = {block for _, block in self._computed_blocks(self.auxiliary)}
        return [block for stage in self.stages for block in stage if block not in computed]  # type: ignore[attr-defined]

    @property
    def stem_blocks(self) -> list[str]:
        """Names of the modules that do not depend on the architecture."""
        return ['stem', *(n for n, m in self.named_modules() if isinstance(m, StemBlock))]

    @property
    def reduction_blocks(self) -> list[str]:
        """Names of the reduction cells that are computed, in order."""
        idle = self.idle()
        cells = [(n, m) for n, m in self.named_modules() if _is_reduction(m)]
        return [name for name, cell in cells if cell not in idle]

    def maps(self, x: Tensor, mix: CellMix | None = None) -> tuple[Tensor, ...]:
        """Map images to maps; the cells: ``normal``, ``reduction`` (see :class:`Backbone`)."""
        with_extra = self.auxiliary and self.training
        before = x = self.stem(x)
        outputs, extra = {}, None
        for s, block in self._computed_blocks(with_extra):
            given = () if mix is None or isinstance(block, StemBlock) else (mix[block.kind],)
            before, x = x, block(before, x, *given)
            if _is_reduction(block):
                extra = x
            outputs[s] = x
        maps = tuple(outputs[s] for s in self.out_indices)
        return (extra, *maps) if with_extra and extra is not None else maps


@MODELS.register_module()
class DARTSNet(MacroDARTS):
    """The network of a genotype of the DARTS space.

    Example: ``DARTSNet(arch='cdarts_cifar10', variant='cifar', num_cells=20, init_channels=36)``
    has 3.859 M parameters with a linear classifier for 10 classes.

    Args:
        arch: A published name, a path of a genotype, or a dict.
        drop_path_rate: Probability of dropping an edge; ``DropPathHook`` raises it to this over
            the training.
        **kwargs: See :class:`MacroDARTS`.

    Raises:
        GenotypeError: If the architecture is not one of the DARTS space.
    """

    def __init__(self, arch: Any, drop_path_rate: float = 0.0, **kwargs: Any) -> None:
        genotype = Genotype.load(arch)
        if genotype.space != 'darts':
            raise GenotypeError(f'arch: DARTSNet needs a darts genotype, got {genotype.space!r}')
        cells = {cell.name: cell for cell in genotype.cells}

        def dag(kind: str, spec: OpSpec) -> nn.Module:
            return CellDAG(cells[kind], spec, drop_path_rate)

        nodes = {name: len(cell.nodes) for name, cell in cells.items()}
        super().__init__(dag, nodes, **kwargs)
        self.genotype = genotype
        self.drop_path_rate = drop_path_rate
