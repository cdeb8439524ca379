"""Base of all backbones: stages, features, freezing, initialisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule, PretrainedInit
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..layers.deploy import DeployError, deploy, is_plain
from ..layers.memory_layout import keep_contiguous, tensors_inside
from ..layers.ops import ConvStyle
from ..weights import hub
from ..weights.checkpoint import CheckpointError, check_backbone, load_backbone, load_checkpoint
from ..weights.fetch import SCHEME
from ..weights.index import ZooError

DEFAULT_INIT = [
    dict(type='Kaiming', layer='Conv2d', mode='fan_out', nonlinearity='relu'),
    dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
]

OTHER_WEIGHTS = (
    'change model.backbone.init_cfg: =None starts without weights, .checkpoint=FILE takes others'
)
"""What to do about pretrained weights that are not there or do not fit."""

CellMix = Mapping[str, Any]
"""What the blocks of each searched cell take beside their input, by the name of the cell."""


@CheckpointLoader.register_scheme(prefixes=[SCHEME, hub.SCHEME])
def load_from_zoo(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read ``ppnas://NAME`` and ``hf://USER/NAME`` for mmengine, as data only.

    It is registered with the backbones, because the weights fit no model without one and an import
    of mmengine's runner would slow the import of the package.
    """
    return load_checkpoint(filename, map_location or 'cpu')


class Backbone(BaseModule):
    """Base of all backbones: call :meth:`set_stages` at the end of ``__init__``.

    A subclass has :meth:`maps`.  Stages after the last of ``out_indices`` are neither computed nor
    trained; they stay in the state dict, so that a file of the whole network loads strictly.

    Args:
        out_indices: Stages whose features ``forward`` returns, as a tuple of maps.
        conv_cfg, norm_cfg, act_cfg: As in ``mmcv.cnn.ConvModule``; batch norm and ReLU by default.
        with_cp: Whether to use activation checkpointing: blocks are recomputed in the backward
            pass, which saves memory.
        frozen_stages: -1 freezes nothing, 0 the stem, i the stem and the first i stages.
        norm_eval: Whether batch norms stay in evaluation mode during training.
        init_cfg: mmengine initialisation; ``None`` means He-normal (fan-out) and ones.
            ``dict(type='Pretrained', checkpoint=FILE)`` loads every tensor of the backbone from a
            file of a backbone, classifier, detector or segmentor (``ppnas://NAME``: from the model
            zoo; ``hf://USER/NAME``: from the Hugging Face hub), or says what is missing; it also
            takes ``prefix`` and ``allow_partial`` (see :func:`..weights.load_backbone`).
    """

    def __init__(
        self,
        out_indices: Sequence[int],
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        with_cp: bool = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        configs = init_cfg if isinstance(init_cfg, list) else [init_cfg] if init_cfg else []
        given = [c for c in configs if c['type'] in ('Pretrained', PretrainedInit)]
        super().__init__([c for c in configs if c not in given] or DEFAULT_INIT)
        self.pretrained = [{k: v for k, v in c.items() if k != 'type'} for c in given]
        self.style = ConvStyle(conv_cfg, norm_cfg or dict(type='BN'), act_cfg or dict(type='ReLU'))
        self.with_cp = with_cp
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.is_deployed = False
        self.feature_info: list[dict] = []

    def set_stages(
        self, names: Sequence[str], channels: Sequence[int], strides: Sequence[int]
    ) -> None:
        """Declare the stages and freeze what ``frozen_stages`` names.

        Args:
            names: Attribute of each stage; the stem is ``self.stem``.
            channels: Output channels of each stage.
            strides: Total stride ("reduction") of each stage.

        Raises:
            ValueError: If ``out_indices`` or ``frozen_stages`` is out of range.
        """
        count = len(names)
        if not self.out_indices or any(not 0 <= i < count for i in self.out_indices):
            raise ValueError(f'out_indices={self.out_indices}: expected stages 0..{count - 1}')
        if not -1 <= self.frozen_stages <= count:
            raise ValueError(f'frozen_stages={self.frozen_stages}: expected -1..{count}')
        self.stage_names = tuple(names)
        self.feature_info = [
            dict(num_chs=c, reduction=s, module=n)
            for n, c, s in zip(names, channels, strides, strict=True)
        ]
        self._freeze()

    @property
    def out_channels(self) -> list[int]:
        """Channels of the returned maps, in order: the ``in_channels`` of a neck or head."""
        return [self.feature_info[i]['num_chs'] for i in self.out_indices]

    @property
    def stages(self) -> list[nn.Module]:
        """The stages, in order."""
        return [getattr(self, name) for name in self.stage_names]

    @property
    def computed(self) -> list[nn.Module]:
        """The stages up to the last of ``out_indices``, in order."""
        return self.stages[: max(self.out_indices) + 1]

    def idle(self) -> list[nn.Module]:
        """Return the modules that no returned map depends on; they never learn.

        These are stages, and what a module names as its ``unread``.
        """
        inside = [m for module in self.modules() for m in getattr(module, 'unread', ())]
        return [*self.stages[len(self.computed) :], *inside]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map images ``(N, in_channels, H, W)`` to the maps of ``out_indices``."""
        return self.maps(x)

    def maps(self, x: Tensor, mix: CellMix | None = None) -> tuple[Tensor, ...]:
        """Map images ``(N, in_channels, H, W)`` to the maps of ``out_indices``.

        ``mix``: what a super-net passes to its searched blocks.
        """
        raise NotImplementedError

    @property
    def stem_blocks(self) -> list[str]:
        """Names of the modules that do not depend on an architecture."""
        return ['stem']

    @property
    def reduction_blocks(self) -> list[str]:
        """Names of the computed blocks whose outputs have a new resolution, in order."""
        strides = [info['reduction'] for info in self.feature_info[: len(self.computed)]]
        opens = [s for s in range(1, len(strides)) if strides[s] > strides[s - 1]]
        return [f'{self.stage_names[s]}.0' for s in opens]

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says, once; layers inside a custom convolution stay.

        Raises:
            CheckpointError: If a pretrained file does not fit.
            ZooError: If pretrained weights of the model zoo cannot be fetched.
            TypeError: If the config of a pretrained file has an unknown key.
            DeployError: If the backbone is in its deployed form.
        """
        if self.is_deployed:
            raise DeployError(
                'the backbone is deployed: call init_weights() before switch_to_deploy()'
            )
        fresh = not self.is_init
        inside = [(tensor, tensor.detach().clone()) for tensor in tensors_inside(self)]
        super().init_weights()
        with torch.no_grad():
            for tensor, value in inside:
                tensor.copy_(value)
        if fresh:
            self.init_values()
            for config in self.pretrained:
                try:
                    load_backbone(self, **config)
                except (CheckpointError, ZooError) as error:
                    raise type(error)(f'{error}; {OTHER_WEIGHTS}') from None

    def init_values(self) -> None:
        """Set values that mmengine's initialisers cannot express, before pretrained weights."""

    def _freeze(self) -> None:
        frozen = [self.stem, *self.stages[: self.frozen_stages]] if self.frozen_stages >= 0 else []
        for module in frozen:
            module.eval()
        for module in [*frozen, *self.idle()]:
            module.requires_grad_(False)

    @torch.no_grad()
    def switch_to_deploy(self) -> Backbone:
        """Switch to the deployed form, which computes the same maps faster; return ``self``.

        Norms are folded into convolutions, parameters are frozen, the layout is channels-last, and
        stages after the last of ``out_indices`` are removed.  Load weights before: the state dict
        then has the folded tensors and fits only another deployed backbone of the same
        architecture and ``out_indices``.  A second call does nothing.

        Raises:
            DeployError: If it is a super-net.
        """
        if hasattr(self, 'to_genotype'):
            raise DeployError('a super-net has no deployed form: derive a network from it first')
        if not self.is_deployed:
            self.eval()
            for name in self.stage_names[len(self.computed) :]:
                setattr(self, name, nn.ModuleList())
            for name, child in self.named_children():
                setattr(self, name, deploy(child))
            self.eval().requires_grad_(False)
            for module in self.modules():
                if is_plain(module):
                    module.to(memory_format=torch.channels_last)
            keep_contiguous(self)
            self.is_deployed = True
        return self

    def _apply(self, *args: Any, **kwargs: Any) -> Backbone:
        super()._apply(*args, **kwargs)
        keep_contiguous(self)  # whatever layout was asked for
        return self

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, local_metadata: dict, *args: Any
    ) -> None:
        if self.is_deployed and not self.state_dict(prefix=prefix).keys() <= state_dict.keys():
            raise DeployError(
                'the backbone is deployed and cannot load training weights: load them first, then '
                'call switch_to_deploy()'
            )
        check_backbone(self, state_dict, prefix, local_metadata)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def train(self, mode: bool = True) -> Backbone:
        """Set the mode, but keep frozen stages (and norms, with ``norm_eval``) in evaluation.

        Raises:
            DeployError: If the backbone is deployed, because it cannot train then.
        """
        if mode and self.is_deployed:
            raise DeployError(
                'the backbone is deployed, for inference only: to train, build it again and load '
                'the weights from before switch_to_deploy()'
            )
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning rates (mmpretrain's contract).

        Returns:
            The layer (0 stem, i stage i, one more for anything else) and the number of layers.
        """
        layers = len(self.stage_names) + 2
        head = param_name[len(prefix) :].split('.')[0] if param_name.startswith(prefix) else ''
        if head == 'stem':
            return 0, layers
        if head in self.stage_names:
            return self.stage_names.index(head) + 1, layers
        return layers - 1, layers
