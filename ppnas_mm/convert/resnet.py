"""Names of ResNet-vd (ResNet-D) in timm and in OpenMMLab's libraries: strides in the 3x3.

Facts: huggingface/pytorch-image-models, timm/models/resnet.py (resnet50d and so on);
open-mmlab/mmpretrain, mmdetection and mmsegmentation, models/backbones/resnet.py (ResNetV1d).
All compute what ``PPResNet(block='resnet', stride_in='conv3x3')`` computes.  torchvision has no
such network: its stem is a 7x7 convolution, its shortcuts have no pool.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import nn

from ..backbones.pp_resnet import PPResNet, PPResNetCIFAR
from .links import FormatError, Link, Links, backbone_of

Stem = Callable[[int, str], str]
"""Name of convolution (``conv``) or norm (``bn``) number N of the stem."""


def applies(model: nn.Module) -> bool:
    """Whether a network, or the backbone of a model, is a ResNet-vd with strides in the 3x3."""
    net = backbone_of(model)[1]
    if not isinstance(net, PPResNet) or isinstance(net, PPResNetCIFAR):
        return False
    return net.block == 'resnet' and net.stride_in == 'conv3x3'


def _stem_of_timm(number: int, part: str) -> str:
    """A sequence of convolution, norm, activation; the last norm stands beside it."""
    if part == 'bn' and number == 2:
        return 'bn1'
    return f'conv1.{3 * number + (part == "bn")}'


def _stem_of_mmpretrain(number: int, part: str) -> str:
    return f'stem.{number}.{part}'


def _stem_of_mmdet(number: int, part: str) -> str:
    """A sequence of convolution, norm, activation."""
    return f'stem.{3 * number + (part == "bn")}'


def _module(net: nn.Module, module: str, stem: Stem, first: int) -> str:
    """Return the name of a module; ``first``: place of a shortcut's convolution without a pool."""
    if match := re.fullmatch(r'stem\.(\d)\.(conv|bn)', module):
        return stem(int(match[1]), match[2])
    if match := re.fullmatch(r'(layer\d\.\d+)\.shortcut\.1\.(conv|bn)', module):
        pooled = not isinstance(net.get_submodule(f'{match[1]}.shortcut.0'), nn.Identity)
        place = (1 if pooled else first) + (match[2] == 'bn')
        return f'{match[1]}.downsample.{place}'
    if match := re.fullmatch(r'(layer\d\.\d+)\.conv([123])\.(conv|bn)', module):
        return f'{match[1]}.{match[3]}{match[2]}'
    return ''


def _links(model: nn.Module, form: str, stem: Stem, first: int, classifier: str) -> Links:
    root, net = backbone_of(model)
    result = {}
    for key in model.state_dict():
        module, _, name = key.rpartition('.')
        there = classifier if module == 'head.fc' else ''
        if not there and module.startswith(root):
            there = _module(net, module[len(root) :], stem, first)
        if not there:
            raise FormatError(f'format {form!r} has no name for {key!r}')
        result[key] = Link((f'{there}.{name}',))
    return result


def links_timm(model: nn.Module) -> Links:
    """Link every tensor of a ResNet-vd, or a classifier of one, to timm's names.

    Raises:
        FormatError: If a part has no counterpart there.
    """
    return _links(model, 'timm', _stem_of_timm, first=1, classifier='fc')


def links_mmpretrain(model: nn.Module) -> Links:
    """Link every tensor of a ResNet-vd to the names of mmpretrain's ResNetV1d.

    Raises:
        FormatError: If a part has no counterpart there.
    """
    return _links(model, 'mmpretrain', _stem_of_mmpretrain, first=0, classifier='head.fc')


def links_mmdet(model: nn.Module) -> Links:
    """Link every tensor of a ResNet-vd to the names of mmdet's and mmseg's ResNetV1d.

    Raises:
        FormatError: If a part has no counterpart there.
    """
    return _links(model, 'mmdet', _stem_of_mmdet, first=1, classifier='head.fc')
