"""Chains of MBConv blocks in searched stages, and ChainNet (CDARTS, Section 4.6; Cream).

One macro network, read from a :class:`ChainPlan`: a convolution, a fixed block, the stages and a
last 1x1 convolution.  ChainNet's stem has 16 channels, its five stages 24, 40, 80, 96 and 192.
Where the sources of a published architecture disagree, its ``provenance`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from ..genotype import Cell, Genotype, GenotypeError
from ..layers.ops import MBConv, OpSpec, build_op, round_channels
from ..layers.recompute import run_block
from ..utils.registries import MODELS
from .base import Backbone, CellMix


@dataclass(frozen=True)
class ChainPlan:
    """The macro network of a space of chains.

    Args:
        stem: Channels of the first convolution (3x3) and, if there is one, of the fixed block (3x3,
            expansion 1).
        channels: Channels of each searched stage.
        strides: Stride of each searched stage, that of its first block.
        attention: Whether the fixed block has channel attention.
        act_cfg: The activation where a config names none.
    """

    stem: tuple[int, ...]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    attention: bool = True
    act_cfg: dict = field(default_factory=lambda: dict(type='SiLU'))

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the searched stages, those of a genotype's cells."""
        return tuple(f'stage{s}' for s in range(1, len(self.channels) + 1))


CHAIN_PLAN = ChainPlan((16, 16), (24, 40, 80, 96, 192), (2, 2, 2, 1, 2))

ChainFactory = Callable[[str, list[OpSpec]], nn.Module]
"""Builds a stage from its name and the specs of its blocks; the first may have a stride."""


class Chain(nn.Module):
    """A stage of one architecture: its operations, one after another.

    Attributes:
        with_cp: Whether to use activation checkpointing for each block; the macro network sets it.
    """

    with_cp = False

    def __init__(self, cell: Cell, specs: Sequence[OpSpec]) -> None:
        super().__init__()
        self.nodes = nn.Sequential(
            *(build_op(edges[0].op, s) for edges, s in zip(cell.nodes, specs, strict=True))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C_in, H, W)`` to ``(N, C, H / stride, W / stride)``."""
        for block in self.nodes:
            x = run_block(block, block, x, with_cp=self.with_cp)
        return x


def _check(variant: str, width: float, strides: Sequence[int], stages: int) -> None:
    if variant not in ('imagenet', 'cifar'):
        raise ValueError(f"variant={variant!r}: expected 'imagenet' or 'cifar'")
    if not width > 0:
        raise ValueError(f'width={width}: expected a positive number')
    if len(strides) != stages or not set(strides) <= {1, 2}:
        raise ValueError(f'strides={strides}: expected {stages} times 1 or 2')


class MacroChain(Backbone):
    """The macro network around the stages: derived networks and super-nets.

    Its output stages are the resolutions: a searched stage without a stride belongs to the output
    stage of the one before it, the last convolution to the last.  ChainNet's four: ``layer1`` and
    ``layer2`` are the searched stages 1 and 2, ``layer3`` the stages 3 and 4, ``layer4`` stage 5
    and the last convolution.

    Attributes:
        plan: Channels, strides and activation of the space; a subclass sets it.
        searched: Channels and total stride of each searched stage, by its name.
        members: For each output stage its parts: the name of a searched stage, or ``None``.

    Args:
        chain: Builds the searched stages.
        depths: Blocks of each searched stage.
        variant: ``'imagenet'`` (the stem has stride 2; outputs at 4, 8, 16, 32) or ``'cifar'``
            (stride 1; outputs at 2, 4, 8, 16).
        width: Factor of all channels but ``last_channels``; they stay multiples of 8.
        last_channels: Channels of the last 1x1 convolution: 960 (classification, detection), 320
            (the reference's segmentation); ``None``: no such convolution.
        in_channels: Channels of the images.
        out_indices: Output stages that are returned; ``None``: all.
        strides: Strides of the searched stages, 1 or 2 each; ``None``: the plan's.
        **kwargs: See :class:`Backbone`; the default of ``act_cfg`` is the plan's.

    Raises:
        ValueError: If ``variant``, ``width`` or ``strides`` is not possible.
    """

    plan = CHAIN_PLAN

    def __init__(
        self,
        chain: ChainFactory,
        depths: Sequence[int],
        variant: str = 'imagenet',
        width: float = 1.0,
        last_channels: int | None = 960,
        in_channels: int = 3,
        out_indices: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        plan = self.plan
        strides = plan.strides if strides is None else tuple(strides)
        _check(variant, width, strides, len(plan.strides))
        if out_indices is None:
            out_indices = range(1 + sum(stride > 1 for stride in strides[1:]))
        kwargs['act_cfg'] = kwargs.get('act_cfg') or plan.act_cfg
        super().__init__(out_indices, **kwargs)
        style = self.style
        total = 2 if variant == 'imagenet' else 1
        self.stem = self._stem(in_channels, width, total)
        channels = round_channels(plan.stem[-1] * width)
        layers: list[list[nn.Module]] = []
        self.members: list[list[str | None]] = []
        info: list[list[Any]] = []
        self.openings: list[str] = []
        self.searched: dict[str, tuple[int, int]] = {}
        sizes = zip(plan.stages, plan.channels, strides, depths, strict=True)
        for name, planes, stride, depth in sizes:
            if stride > 1 or not layers:
                layers.append([])
                self.members.append([])
                info.append([f'layer{len(layers)}', 0, 0])
            if stride > 1:
                self.openings.append(f'layer{len(layers)}.0')
            planes = round_channels(planes * width)
            specs = [OpSpec(channels, planes, style, stride)]
            specs += [OpSpec(planes, planes, style)] * (depth - 1)
            stage: Any = chain(name, specs)
            stage.with_cp = self.with_cp
            layers[-1].append(stage)
            self.members[-1].append(name)
            channels, total = planes, total * stride
            info[-1][1:] = [channels, total]
            self.searched[name] = (channels, total)
        if last_channels is not None:
            layers[-1].append(style.conv(channels, last_channels, 1))
            self.members[-1].append(None)
            info[-1][1] = last_channels
        self._add_layers(layers, info)

    def _stem(self, in_channels: int, width: float, stride: int) -> nn.Sequential:
        """Return the first convolution and, if the plan has one, the fixed block."""
        first, *fixed = (round_channels(planes * width) for planes in self.plan.stem)
        layers: list[nn.Module] = [self.style.conv(in_channels, first, 3, stride=stride)]
        for planes in fixed:
            spec = OpSpec(first, planes, self.style)
            layers.append(MBConv(spec, 3, expansion=1, attention=self.plan.attention))
        return nn.Sequential(*layers)

    def _add_layers(self, layers: list[list[nn.Module]], info: list[list[Any]]) -> None:
        for (name, *_), members in zip(info, layers, strict=True):
            self.add_module(name, nn.ModuleList(members))
        self.set_stages(*zip(*info, strict=True))

    @property
    def stem_blocks(self) -> list[str]:
        """Names of the modules before the first searched block."""
        return ['stem']

    @property
    def reduction_blocks(self) -> list[str]:
        """Names of the computed stages that begin with a stride, so with a new resolution."""
        names = self.stage_names[: len(self.computed)]
        return [name for name in self.openings if name.split('.')[0] in names]

    def maps(self, x: Tensor, mix: CellMix | None = None) -> tuple[Tensor, ...]:
        """Map images to maps; the cells are the searched stages (see :class:`Backbone`)."""
        x = self.stem(x)
        outputs = {}
        for s, layer in enumerate(self.computed):
            members: Any = zip(layer, self.members[s], strict=True)  # type: ignore[call-overload]
            for member, cell in members:
                given = () if mix is None or cell is None else (mix[cell],)
                # a searched stage recomputes its own blocks; left is the last convolution
                again = self.with_cp and cell is None
                x = run_block(member, member, x, *given, with_cp=again)
            if s in self.out_indices:
                outputs[s] = x
        return tuple(outputs[s] for s in self.out_indices)


class DerivedChain(MacroChain):
    """The network of a genotype; a subclass names the space.

    Args:
        arch: A published name, a path of a genotype, or a dict.
        drop_path_rate: Stochastic depth of the last block; it grows linearly to there.
        **kwargs: See the macro network.

    Raises:
        GenotypeError: If the architecture is not one of the space with the stages of its plan.
    """

    space: str

    def __init__(self, arch: Any, drop_path_rate: float = 0.0, **kwargs: Any) -> None:
        genotype = Genotype.load(arch)
        cells = {cell.name: cell for cell in genotype.cells}
        if genotype.space != self.space or tuple(cells) != self.plan.stages:
            raise GenotypeError(
                f'arch: {type(self).__name__} needs a {self.space} genotype with the cells '
                f'{list(self.plan.stages)}, got {list(cells)} of {genotype.space!r}'
            )
        super().__init__(
            chain=lambda name, specs: Chain(cells[name], specs),
            depths=[len(cell.nodes) for cell in genotype.cells],
            **kwargs,
        )
        self.genotype = genotype
        blocks = [b for m in self.modules() if isinstance(m, Chain) for b in m.nodes]
        for i, block in enumerate(blocks):
            rate = drop_path_rate * i / max(1, len(blocks) - 1)
            if rate and isinstance(block, MBConv):
                block.drop_path = DropPath(rate)


@MODELS.register_module()
class ChainNet(DerivedChain):
    """The network of a genotype of the chain space, such as CDARTS-a and CDARTS-b.

    Example: ``ChainNet(arch='cdarts_a')`` with mmpretrain's ``StackedLinearClsHead`` (1000 classes,
    ``mid_channels=[1280]``) has 6.994 M parameters, as the paper says.

    Args:
        arch, drop_path_rate: See :class:`DerivedChain`.
        **kwargs: See :class:`MacroChain`.

    Raises:
        GenotypeError: If the architecture is not one of the chain space with its five stages.
    """

    space = 'chain'
