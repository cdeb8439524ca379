"""Any CNN with plug-and-play blocks in the place of its convolutions (PP-NAS, Fig. 1)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from mmengine.model import PretrainedInit
from torch import Tensor, nn

from ..genotype import Genotype, GenotypeError
from ..layers.plug import Place, find_places, replace
from ..utils.registries import MODELS
from ..weights.checkpoint import load_backbone
from .base import Backbone, CellMix
from .pp_conv import PPConv


class PluggedBackbone(Backbone):
    """A backbone of any library, here called ``net``, whose convolutions are replaced by blocks.

    What surrounds a convolution stays, so the norm after it follows the block.  Keys are the
    library's with ``net.`` in front.

    Args:
        backbone: Config of the backbone, such as ``dict(type='mmdet.RegNet', ...)``; freezing,
            ``norm_eval`` and pretrained weights are its own arguments.
        where: See :func:`find_places`.
        groups: Number D of groups of a block.
        build: Builds the block of a place.
        stages: Number of stages that the architecture has; 1 fits all, ``None`` is not checked.
        conv_cfg, norm_cfg, act_cfg: Of the blocks, see :class:`Backbone`.
        init_cfg: See :class:`Backbone`; what ``backbone`` says follows.

    Raises:
        GenotypeError: If the architecture has another number of stages.
        PlugError: If no block fits.
    """

    def __init__(
        self,
        backbone: dict,
        where: str | None,
        groups: int,
        build: Callable[[Place], nn.Module],
        stages: int | None = None,
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__((0,), conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg, init_cfg=init_cfg)
        config = copy.deepcopy(dict(backbone))
        own = config.get('init_cfg')
        self.published = None
        if isinstance(own, dict) and own.get('type') in ('Pretrained', PretrainedInit):
            self.published = {k: v for k, v in config.pop('init_cfg').items() if k != 'type'}
        self.net = _built(config)
        self.places, maps = find_places(self.net, where, groups)
        found = 1 + max(place.stage for place in self.places)
        if stages not in (None, 1, found):
            raise GenotypeError(
                f'arch: {stages} cells, but {backbone["type"]} has blocks in {found} stages'
            )
        replace(self.net, self.places, build)
        self.stage_names: tuple[str, ...] = ()  # the library's own are not known here
        self.out_indices = tuple(range(len(maps)))
        self.feature_info = [
            dict(num_chs=m.channels, reduction=m.stride, module=f'net:{i}')
            for i, m in enumerate(maps)
        ]

    @property
    def computed(self) -> list[nn.Module]:
        """The whole network, which decides itself what it computes."""
        return [self.net]

    def idle(self) -> list[nn.Module]:
        """Return nothing: blocks that no map depends on were not plugged in."""
        return []

    def _freeze(self) -> None:
        """Do nothing: the library's backbone freezes its own stages."""

    def train(self, mode: bool = True) -> PluggedBackbone:
        """Set the mode as the library does; norms of new blocks collect statistics.

        A library's ``norm_eval`` would keep them at their initial values.  Blocks of frozen stages,
        and those whose weights come from a file of the whole network, follow the library.
        """
        super().train(mode)
        for place in self.places if mode and not self.pretrained else ():
            block = self.net.get_submodule(place.name)
            if any(parameter.requires_grad for parameter in block.parameters()):
                block.train()
        return self

    def init_values(self) -> None:
        """Load the published weights of the network, except where blocks are.

        Raises:
            CheckpointError: If they do not fit what is left of the network.
        """
        if self.published is not None:
            load_backbone(self.net, new=[place.name for place in self.places], **self.published)

    def maps(self, x: Tensor, mix: CellMix | None = None) -> tuple[Tensor, ...]:
        """Map images ``(N, C, H, W)`` to the maps that the library's backbone returns."""
        maps = self.net(x)
        return (maps,) if isinstance(maps, Tensor) else tuple(maps)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning rates, as the library counts it."""
        own = getattr(self.net, 'get_layer_depth', None)
        if own is None:
            return 0, 1
        return own(param_name, f'{prefix}net.')


def _built(config: dict) -> Any:
    """Build a library's backbone, which runs once; some read values of tensors to be built."""
    if torch.get_default_device().type != 'meta':
        return MODELS.build(config)
    with torch.device('cpu'):
        return MODELS.build(config)


@MODELS.register_module()
class Plugged(PluggedBackbone):
    """A backbone of any library with searched blocks in the place of its convolutions.

    Example:
        >>> backbone = dict(
        ...     type='ppnas_mm.Plugged',
        ...     backbone=dict(type='mmdet.ResNet', depth=50),
        ...     arch='pp_resnet_imagenet')

    Args:
        backbone: Config of the backbone.
        arch: A published name, a path of a genotype, or a dict, of the space ``ppconv``: a cell for
            each stage, or one for all.
        where: Which convolutions are replaced, see :func:`find_places`.
        **kwargs: See :class:`PluggedBackbone`.

    Raises:
        GenotypeError: If the architecture is of another space or has another number of cells.
        PlugError: If no block fits.
    """

    def __init__(self, backbone: dict, arch: Any, where: str | None = None, **kwargs: Any) -> None:
        genotype = Genotype.load(arch)
        if genotype.space != 'ppconv':
            raise GenotypeError(f'arch: blocks need a ppconv genotype, got {genotype.space!r}')
        cells = genotype.cells

        def build(place: Place) -> nn.Module:
            cell = cells[place.stage if len(cells) > 1 else 0]
            return PPConv(cell, place.width, place.dilation, self.style)

        super().__init__(backbone, where, cells[0].inputs, build, stages=len(cells), **kwargs)
        self.genotype = genotype
