"""Put another backbone into the model of a finished config; channels of necks and heads follow."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from ..config.keys import ConfigError, type_name
from ..config.load import library
from ..layers.plug import Map, PlugError, as_maps, run

HEADS = ('decode_head', 'auxiliary_head', 'head', 'bbox_head', 'rpn_head', 'roi_head', 'mask_head')
POOLS = ('GlobalAveragePooling', 'GeneralizedMeanPooling')
CARRIED = ('strides', 'dilations', 'contract_dilation', 'in_channels')
"""Arguments of a ResNet that another ResNet takes over."""


def maps_of(backbone: Mapping[str, Any]) -> list[Map]:
    """Return channels and stride of the maps that a backbone returns, by running it once.

    Raises:
        ConfigError: If it cannot be built, or returns anything but maps.
    """
    from ..utils.registries import MODELS

    config = {k: v for k, v in backbone.items() if k not in ('init_cfg', 'pretrained')}
    try:
        return as_maps(run(MODELS.build(copy.deepcopy(config))))
    except (PlugError, RuntimeError, TypeError, AttributeError) as error:
        text = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f'model.backbone ({backbone.get("type")}): {text}') from None


def class_of(backbone: Mapping[str, Any]) -> Any:
    """Return the class that a backbone's config names."""
    from ..utils.registries import MODELS

    kind = backbone['type']
    return MODELS.get(kind) if isinstance(kind, str) else kind


def fitted(backbone: Mapping[str, Any], old: Mapping[str, Any], maps: Sequence[Map]) -> dict:
    """Return the config of a backbone of this package that returns maps like another one's.

    Args:
        backbone: The new backbone.
        old: The backbone that it replaces.
        maps: The maps of ``old``.

    Raises:
        ConfigError: If the new backbone has no maps of these strides.
    """
    from ..utils.registries import MODELS

    new = copy.deepcopy(dict(backbone))
    residual = 'depth' in new and len(old.get('strides', ())) == len(old.get('dilations', ())) == 4
    # a dilated ResNet stays dilated, and another network of a class has its strides
    if residual or type_name(old) == type_name(new):
        new.update({key: copy.deepcopy(old[key]) for key in CARRIED if key in old})
    elif _is_int(old.get('in_channels')) and old['in_channels'] != 3:
        new['in_channels'] = old['in_channels']
    stages = MODELS.build(copy.deepcopy(new)).feature_info
    strides = [info['reduction'] for info in stages]
    if len(maps) == 1:
        return {**new, 'out_indices': (len(stages) - 1,)}
    indices: list[int] = []
    for one in maps:
        fits = [i for i, s in enumerate(strides) if s == one.stride and i not in indices]
        if not fits:
            raise ConfigError(
                f'{new["type"]} has maps of strides {strides}; the model reads maps of strides '
                f"{[m.stride for m in maps]}. The space 'plugged' keeps the backbone's own"
            )
        # stages of equal stride: their order counts if as many are read, else the last is best
        wanted = sum(m.stride == one.stride for m in maps)
        indices.append(fits[0] if wanted == strides.count(one.stride) else fits[-1])
    return {**new, 'out_indices': tuple(indices)}


def swap(model: dict[str, Any], backbone: dict[str, Any], old: Sequence[Map]) -> list[str]:
    """Replace ``model.backbone``; change the channels that necks and heads expect of it.

    Args:
        model: Config of a classifier, detector or segmentor; it is changed.
        backbone: The new backbone.
        old: The maps of the backbone before.

    Returns:
        What was changed beside the backbone, in words.

    Raises:
        ConfigError: If the number of maps differs.
    """
    new = maps_of(backbone)
    if len(new) != len(old):
        raise ConfigError(
            f'{backbone.get("type")} returns {len(new)} maps, the model reads {len(old)}'
        )
    model['backbone'] = backbone
    changes = _pooled(model, old[-1], new[-1])
    for where, node in _readers(model):
        for key, value in _channels(node, [m.channels for m in old], [m.channels for m in new]):
            if node[key] != value:
                changes.append(f'{where}.{key}={value} (was {node[key]})')
                node[key] = value
    return changes


def _pooled(model: dict[str, Any], old: Map, new: Map) -> list[str]:
    """Let a classifier that read vectors pool the maps of its new backbone."""
    if old.stride or not new.stride or model.get('neck'):
        return []
    head = model.get('head') or {}
    if 'in_channels' not in head:
        raise ConfigError(
            f'model.head ({head.get("type")}) has no in_channels: the classifier is a part of the '
            "backbone. Take a LinearClsHead, or the space 'plugged'"
        )
    model['neck'] = dict(type='mmpretrain.GlobalAveragePooling')
    return ['model.neck=GlobalAveragePooling']


def _readers(model: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a model that read the maps of the backbone, and where they are."""
    neck = model.get('neck')
    necks = neck if isinstance(neck, (list, tuple)) else [neck] if neck else []
    first = [n for n in necks if str(n.get('type')).split('.')[-1] not in POOLS][:1]
    if first:
        yield 'model.neck', first[0]
        return
    for name in HEADS:
        head = model.get(name)
        for i, one in enumerate(head if isinstance(head, (list, tuple)) else [head]):
            if isinstance(one, Mapping):
                where = f'model.{name}' + (f'.{i}' if isinstance(head, (list, tuple)) else '')
                yield where, one
                for key, inner in one.items():  # RoI extractors, bridges
                    if isinstance(inner, Mapping):
                        yield f'{where}.{key}', inner


def _channels(
    node: Mapping[str, Any], old: Sequence[int], new: Sequence[int]
) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a reader that name channels of the backbone, with their new values."""
    index = node.get('in_index', -1)
    for key, value in node.items():
        if key == 'c1_in_channels' and value == old[0]:
            yield key, new[0]
        elif key not in ('in_channels', 'feature_channels'):
            continue
        elif isinstance(value, (list, tuple)):
            several = index if isinstance(index, (list, tuple)) else range(len(value))
            if [old[i] for i in several if -len(old) <= i < len(old)] == list(value):
                yield key, type(value)(new[i] for i in several)
        elif _is_int(index) and value == old[index]:
            yield key, new[index]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def with_backbone(
    config: Any, backbone: Mapping[str, Any], normalisation: Mapping[str, Sequence[float]]
) -> Any:
    """Return a finished config with another backbone, whose weights are pretrained.

    Args:
        config: A loaded config of mmpretrain, mmdet or mmseg; it is not changed.
        backbone: Config of a backbone of this package.
        normalisation: ``mean`` and ``std`` of the RGB images that its weights expect.

    Raises:
        ConfigError: If the config has no backbone to replace, or the new one does not fit.
    """
    config = copy.deepcopy(config)
    model: Any = config.get('model') or {}
    if not isinstance(model.get('backbone'), Mapping):
        raise ConfigError('--backbone: the config has no model.backbone to replace')
    old = dict(model['backbone'])
    with DefaultScope.overwrite_default_scope(config.get('default_scope') or library(config)):
        maps = maps_of(old)
        new = fitted(backbone, old, maps)
        new |= {key: old[key] for key in ('frozen_stages', 'norm_eval') if key in old}
        norm = old.get('norm_cfg') or {}
        if type_name(norm) == 'SyncBN':
            new['norm_cfg'] = copy.deepcopy(norm)
        model.pop('pretrained', None)
        changes = swap(model, new, maps)
    for where in (model, config):
        part: Any = where.get('data_preprocessor') or {}
        if 'mean' in part:
            rgb = {'to_rgb': True} if 'to_rgb' in part else {'bgr_to_rgb': True}
            wanted = {**{k: list(v) for k, v in normalisation.items()}, **rgb}
            for key, value in wanted.items():
                if part.get(key) != value:
                    changes.append(f'data_preprocessor.{key}={value} (was {part.get(key)})')
                    part[key] = value
    for change in changes:
        print_log(change, 'current')
    return config
