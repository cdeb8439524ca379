"""PP-ResNet: ResNet whose 3x3 convolutions are searched plug-and-play blocks.

Paper: PP-NAS, TNNLS 2023, Sections III-A and IV.  ``docs/explanation/decisions.md``
lists where paper and authors' code differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from mmengine.model import constant_init
from torch import Tensor, nn

from ..genotype import Genotype, GenotypeError
from ..layers.ops import ConvStyle, OpSpec
from ..utils.registries import MODELS
from .base import Backbone, CellMix
from .bottleneck import Bottleneck
from .pp_conv import PPConv, Res2Conv, SplitConv

EXPANSION = 4
DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}

Conv2Factory = Callable[[int, OpSpec], nn.Module]
"""Builds the middle convolution of a stage from its channels, stride, dilation and style."""
STRIDES_IN = ('pool', 'conv3x3')
"""Where the stride of a block may be."""


def imagenet_stem(in_channels: int, channels: int, style: ConvStyle) -> nn.Sequential:
    """The vd stem: three 3x3 convolutions and a max pool, stride 4."""
    half = channels // 2
    return nn.Sequential(
        style.conv(in_channels, half, 3, stride=2),
        style.conv(half, half, 3),
        style.conv(half, channels, 3),
        nn.MaxPool2d(3, 2, padding=1),
    )


def cifar_stem(in_channels: int, channels: int, style: ConvStyle) -> nn.Sequential:
    """One 3x3 convolution, stride 1."""
    return nn.Sequential(style.conv(in_channels, channels, 3))


STEMS = {'imagenet': imagenet_stem, 'cifar': cifar_stem}


def _check_stages(
    depths: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    multi_grid: Sequence[int] | None,
) -> None:
    given = f'strides={tuple(strides)}, dilations={tuple(dilations)}'
    if not len(depths) == len(strides) == len(dilations):
        raise ValueError(f'{len(depths)} stages need as many strides and dilations; got {given}')
    if not set(strides) <= {1, 2} or min(dilations) < 1:
        raise ValueError(f'{given}: expected strides of 1 or 2 and dilations from 1')
    if multi_grid is not None and len(multi_grid) != depths[-1]:
        raise ValueError(f'multi_grid={multi_grid}: the last stage has {depths[-1]} blocks')


def _block_dilations(
    depths: Sequence[int],
    dilations: Sequence[int],
    multi_grid: Sequence[int] | None,
    contract: bool,
) -> list[list[int]]:
    """Return the dilation of every block, stage by stage."""
    rates, previous = [], 1
    for depth, dilation in zip(depths, dilations, strict=True):
        rates.append([previous if contract else dilation] + [dilation] * (depth - 1))
        previous = dilation
    if multi_grid is not None:
        rates[-1] = [rate * grid for rate, grid in zip(rates[-1], multi_grid, strict=True)]
    return rates


def _middle(
    conv2: Conv2Factory, groups: int | None, stage: int, spec: OpSpec, start: bool
) -> nn.Module:
    """Build a middle convolution; ``groups``: those of the start blocks, if these are split."""
    return SplitConv(spec, groups) if start and groups is not None else conv2(stage, spec)


class MacroResNet(Backbone):
    """The bottleneck ResNet around the middle convolutions: derived networks and super-nets.

    Args:
        depths: Blocks of each stage.
        conv2: Builds the middle convolution; where ``split_start``, not that of start blocks.
        groups: Groups D of the split; also those of the start blocks.
        split_start: Whether a start block (stride or channels change) has a :class:`SplitConv`
            (PP-NAS, Res2Net) or, too, what ``conv2`` builds (ResNet, ResNeXt).
        base_width: Channels of a group at 64 base channels; ``None``: no split, width = channels.
        stem: ``'imagenet'`` (stride 4) or ``'cifar'`` (stride 1).
        in_channels, stem_channels, base_channels: Channels of image, stem and first stage (before
            the expansion by 4).
        strides, dilations: One for each stage.
        stride_in: What has the stride of a block: ``'pool'``, an average pool before the middle
            convolution (PP-NAS, and this package's baselines), or ``'conv3x3'``, its 3x3
            convolutions, with an average pool for the group that has none (the authors' baselines:
            sbl1996/hanser, models/common/resnet_vd.py and res2net/layers.py).
        multi_grid: Factors that multiply the dilations of the last stage, one for each block.
            (mmseg's argument of this name has absolute dilations.)
        contract_dilation: Whether the first block of a dilated stage keeps the dilation of the
            stage before (the authors' way; mmseg's name).
        zero_init_residual: Whether the last norm of each block starts at 0.
        drop_path_rate: Stochastic depth of the last block; it grows linearly to there.
        out_indices, **kwargs: See :class:`Backbone`.
    """

    def __init__(
        self,
        depths: Sequence[int],
        conv2: Conv2Factory,
        groups: int,
        split_start: bool = True,
        base_width: int | None = 26,
        stem: str = 'imagenet',
        in_channels: int = 3,
        stem_channels: int = 64,
        base_channels: int = 64,
        strides: Sequence[int] = (1, 2, 2, 2),
        stride_in: str = 'pool',
        dilations: Sequence[int] = (1, 1, 1, 1),
        multi_grid: Sequence[int] | None = None,
        contract_dilation: bool = True,
        zero_init_residual: bool = False,
        drop_path_rate: float = 0.0,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        **kwargs: Any,
    ) -> None:
        super().__init__(out_indices, **kwargs)
        _check_stages(depths, strides, dilations, multi_grid)
        if stem not in STEMS:
            raise ValueError(f'stem={stem!r}: expected one of {list(STEMS)}')
        if base_width is not None and base_channels * base_width < 64:
            raise ValueError(f'base_channels={base_channels}, base_width={base_width}: no channels')
        if stride_in not in STRIDES_IN:
            raise ValueError(f'stride_in={stride_in!r}: expected one of {list(STRIDES_IN)}')
        self.zero_init_residual = zero_init_residual
        self.stride_in = stride_in
        self.stem = STEMS[stem](in_channels, stem_channels, self.style)
        drops = iter(drop_path_rate * i / max(1, sum(depths) - 1) for i in range(sum(depths)))
        middle = partial(_middle, conv2, groups if split_start else None)
        channels, total_stride = stem_channels, 4 if stem == 'imagenet' else 1
        all_rates = _block_dilations(depths, dilations, multi_grid, contract_dilation)
        info = []
        for s, (stride, rates) in enumerate(zip(strides, all_rates, strict=True)):
            planes = base_channels * 2**s
            width = planes if base_width is None else planes * base_width // 64 * groups
            blocks = nn.ModuleList()
            for rate in rates:
                shape = (channels, planes * EXPANSION)
                step = 1 if blocks else stride
                blocks.append(self._block(middle, s, shape, width, step, rate, next(drops)))
                channels = shape[1]
            self.add_module(f'layer{s + 1}', blocks)
            total_stride *= stride
            info.append((f'layer{s + 1}', channels, total_stride))
        self.set_stages(*zip(*info, strict=True))

    def _block(
        self,
        middle: Callable[[int, OpSpec, bool], nn.Module],
        stage: int,
        shape: tuple[int, int],
        width: int,
        stride: int,
        dilation: int,
        drop: float,
    ) -> Bottleneck:
        """Build a block; ``shape``: its input and output channels."""
        start = stride != 1 or shape[0] != shape[1]
        pool = self.stride_in == 'pool'
        spec = OpSpec(width, width, self.style, 1 if pool else stride, dilation)
        conv2 = middle(stage, spec, start)
        return Bottleneck(shape, width, conv2, stride, pool, start, self.style, drop, self.with_cp)

    def init_values(self) -> None:
        """Zero the last norm of every block if asked to."""
        if self.zero_init_residual:
            for module in self.modules():
                if isinstance(module, Bottleneck):
                    constant_init(module.conv3.norm, 0)

    def maps(self, x: Tensor, mix: CellMix | None = None) -> tuple[Tensor, ...]:
        """Map images to maps; the cells are ``stage1``, ``stage2``, ... (see :class:`Backbone`)."""
        x = self.stem(x)
        outputs = {}
        for s, stage in enumerate(self.computed):
            extra = () if mix is None else (mix[f'stage{s + 1}'],)
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, *extra)
            if s in self.out_indices:
                outputs[s] = x
        return tuple(outputs[s] for s in self.out_indices)


def _ppconv_blocks(genotype: Genotype, stages: int) -> dict[str, Any]:
    if genotype.space != 'ppconv':
        raise GenotypeError(f'arch: PP-ResNet needs a ppconv genotype, got {genotype.space!r}')
    cells = genotype.cells
    if len(cells) != stages:
        raise GenotypeError(f'arch: {len(cells)} cells, but the network has {stages} stages')
    if len({cell.inputs for cell in cells}) != 1:
        raise GenotypeError('arch: the cells differ in their number of input groups')

    def build(stage: int, spec: OpSpec) -> nn.Module:
        return PPConv(cells[stage], spec.in_channels, spec.dilation, spec.style)

    return dict(conv2=build, groups=cells[0].inputs)


def _conv(groups: int, stage: int, spec: OpSpec) -> nn.Module:
    width = spec.in_channels
    return spec.style.conv(width, width, 3, spec.stride, spec.dilation, groups)


def _res2conv(stage: int, spec: OpSpec) -> nn.Module:
    return Res2Conv(spec, 4)


BASELINE_BLOCKS: Mapping[str, dict[str, Any]] = {
    'resnet': dict(conv2=partial(_conv, 1), groups=1, split_start=False, base_width=None),
    'resnext': dict(conv2=partial(_conv, 4), groups=4, split_start=False, base_width=24),
    'res2net': dict(conv2=_res2conv, groups=4, base_width=26),
}
"""The paper's baselines: ResNet, ResNeXt (4c x 24w) and Res2Net (26w x 4s)."""


def _imagenet_depths(depth: int) -> tuple[int, ...]:
    if depth not in DEPTHS:
        raise ValueError(f'depth={depth}: expected one of {list(DEPTHS)}')
    return DEPTHS[depth]


def _cifar_depths(depth: int) -> tuple[int, ...]:
    if depth < 11 or (depth - 2) % 9:
        raise ValueError(f'depth={depth}: expected 9n + 2, such as 11, 20, 29 or 110')
    return ((depth - 2) // 9,) * 3


class Preset(NamedTuple):
    """A family of networks: how the depth is split, the default architecture, the settings."""

    depths: Callable[[int], tuple[int, ...]]
    arch: str
    settings: dict[str, Any]


SMALL = dict(strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2), zero_init_residual=True)
PRESETS = {
    'imagenet': Preset(_imagenet_depths, 'pp_resnet_imagenet', dict(stem='imagenet')),
    'cifar': Preset(_cifar_depths, 'pp_resnet_cifar10', dict(stem='cifar', **SMALL)),
}
"""``imagenet``: four stages, vd stem; ``cifar``: three stages of (depth - 2) / 9 blocks."""


def macro_settings(preset: str, depth: int) -> dict[str, Any]:
    """Return the arguments of :class:`MacroResNet` of a preset.

    Raises:
        ValueError: If the preset has no such depth.
    """
    return dict(PRESETS[preset].settings, depths=PRESETS[preset].depths(depth))


@MODELS.register_module()
class PPResNet(MacroResNet):
    """PP-ResNet-50/101/152 for ImageNet, detection and segmentation.

    Args:
        depth: 50, 101 or 152.
        arch: A published name, a path of a genotype, or a dict; ``None`` is 'pp_resnet_imagenet'.
        block: ``'ppconv'``, or a baseline, which has no ``arch``: ``'resnet'`` (ResNet-vd),
            ``'resnext'`` (4c x 24w), ``'res2net'``.
        **kwargs: See :class:`MacroResNet`.

    Raises:
        GenotypeError: If the architecture is not valid or does not fit the network.
        ValueError: If the depth or the block is not one of these.
    """

    preset = 'imagenet'

    def __init__(
        self, depth: int = 50, arch: Any = None, block: str = 'ppconv', **kwargs: Any
    ) -> None:
        macro, genotype = macro_settings(self.preset, depth), None
        if block == 'ppconv':
            genotype = Genotype.load(PRESETS[self.preset].arch if arch is None else arch)
            blocks = _ppconv_blocks(genotype, len(macro['depths']))
        elif block not in BASELINE_BLOCKS:
            known = ['ppconv', *BASELINE_BLOCKS]
            raise ValueError(f'block={block!r}: expected one of {known}')
        elif arch is not None:
            raise ValueError(f'block={block!r} has no architecture to choose: set arch=None')
        else:
            blocks = BASELINE_BLOCKS[block]
        super().__init__(**{**macro, **blocks, **kwargs})
        self.genotype, self.block = genotype, block


@MODELS.register_module()
class PPResNetCIFAR(PPResNet):
    """PP-ResNet for small images: three stages.

    Args:
        depth: 9n + 2, with n blocks in each stage (paper: 110).
        **kwargs: See :class:`PPResNet`; ``arch=None`` is 'pp_resnet_cifar10'.
    """

    preset = 'cifar'

    def __init__(self, depth: int = 110, **kwargs: Any) -> None:
        super().__init__(depth, **kwargs)
