"""A backbone of the zoo by name, for any code in PyTorch, in the manner of timm."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..weights import fetch
from ..weights.index import Entry, ZooError, index_path
from .model import entry_config

if TYPE_CHECKING:
    from torch import Tensor, nn


def find(name: str, tag: str | None) -> Entry:
    """Return the entry ``name.tag``; without a tag, the first entry of that name.

    Raises:
        ZooError: If there is none; the message has those that there are.
    """
    name, _, given = name.removeprefix(fetch.SCHEME).partition('.')
    tag = tag or given
    known = [key.partition('.') for key in fetch.list()]
    names = sorted({first for first, _, _ in known})
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1) or names
        raise ZooError(f'no backbone with the name {name!r:.100}; there is: {", ".join(close)}')
    tags = sorted(last for first, _, last in known if first == name)
    if tag and tag not in tags:
        raise ZooError(f'{name}: no weights with the name {tag!r:.100}; there are: {tags}')
    return fetch.entry(f'{name}.{tag or tags[0]}')


def adapt_input(weight: Tensor, channels: int) -> Tensor:
    """Return the kernels of an RGB network's first layer for images of other channels.

    One channel: the sum of the kernels, so that grey images give what they gave as RGB.  Others:
    the kernels repeated and scaled by 3 / channels, as in timm.

    Args:
        weight: ``(out, 3, height, width)``.
        channels: Channels of the images.

    Raises:
        ValueError: If the weights are not for three channels.
    """
    if weight.shape[1] != 3:
        raise ValueError(f'in_channels={channels}: the weights are for {weight.shape[1]} channels')
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight.repeat(1, -(-channels // 3), 1, 1)[:, :channels] * (3 / channels)


def adapt_normalisation(values: Mapping[str, Sequence[float]], channels: int) -> dict[str, tuple]:
    """Return mean and std for other channels: their mean over R, G and B, or repeated."""
    if channels == 1:
        return {key: (sum(numbers) / len(numbers),) for key, numbers in values.items()}
    return {key: tuple(v[i % len(v)] for i in range(channels)) for key, v in values.items()}


def create_backbone(
    name: str,
    pretrained: str | bool | None = None,
    out_indices: Sequence[int] | None = None,
    in_channels: int = 3,
    **kwargs: Any,
) -> nn.Module:
    """Build a backbone of the model zoo, with pretrained weights if asked for.

    ``create_backbone('pp_resnet50', pretrained='imagenet', out_indices=(1, 2, 3))`` maps images
    to the maps of three stages, whose channels are ``out_channels``.

    Args:
        name: First part of an entry's name, such as ``pp_resnet50``, or all of it.
        pretrained: Second part of the entry's name; ``True``: the first one; ``None``: untrained.
        out_indices: Stages whose maps it returns, from 0; ``None``: all.
        in_channels: Channels of the images; the first layer is adapted (:func:`adapt_input`).
        **kwargs: Other arguments of the backbone, such as ``frozen_stages``.

    Returns:
        The backbone, in training mode.  ``normalisation`` has the mean and std of its images (in
        units of 8-bit pixels), ``classes`` the names of what its weights were trained on.

    Raises:
        ZooError: If there is no such entry, or its weights cannot be fetched.
        CheckpointError: If the weights do not fit, as with another ``arch``.
        ValueError: If an argument is wrong.
    """
    from ..utils.registries import MODELS
    from ..weights.checkpoint import fill_backbone, load_checkpoint

    if in_channels < 1:
        raise ValueError(f'in_channels={in_channels}: expected 1 or more')
    item, index = find(name, pretrained if isinstance(pretrained, str) else None), index_path()
    settings = {**entry_config(item, index).model.backbone, **kwargs, 'init_cfg': None}
    if in_channels != 3:
        settings['in_channels'] = in_channels
    if out_indices is not None:
        settings['out_indices'] = tuple(out_indices)
    net: Any = MODELS.build(settings)
    if pretrained:
        data = load_checkpoint(fetch.SCHEME + item.name)
        _adapt(net, data['state_dict'], in_channels)
        fill_backbone(net, data, item.name)
        net.is_init = True  # init_weights() of a model around it leaves the weights alone
    else:
        net.init_weights()
    net.normalisation = adapt_normalisation(item.normalisation, in_channels)
    net.classes = item.classes
    return net


def _adapt(net: nn.Module, state: dict[str, Tensor], channels: int) -> None:
    """Adapt the first layer of a network in a state dict of it, whatever prefix its keys have."""
    first = next(key for key, value in net.state_dict().items() if value.dim() == 4)
    for key in [key for key in state if f'.{key}'.endswith(f'.{first}')]:
        if state[key].shape[1] != channels:
            state[key] = adapt_input(state[key], channels)
