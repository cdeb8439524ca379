"""Shared by the tests of downstream configs and others."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from config_files import CONFIGS, load, scope
from mmengine.config import Config
from photographs import leaves, write

from ppnas_mm.datasets.digit_scenes import write_scenes
from ppnas_mm.registry import MODELS

FILES = sorted(p for kind in ('detection', 'segmentation') for p in CONFIGS.glob(f'{kind}/*.py'))


NAMES = [f'{path.parent.name}/{path.stem}' for path in FILES]


loaded = cache(load)


@pytest.fixture(scope='session')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for ``data/``: digit scenes; :func:`small` adds the rest."""
    root = tmp_path_factory.mktemp('data')
    write_scenes(root / 'digit_scenes', {'train': 3, 'test': 3})
    return root


def rewrite(node: Any, change: Callable[[str, Any], Any], key: str = '') -> Any:
    """Apply ``change(key, value)`` to every value of a nested config."""
    node = change(key, node)
    if isinstance(node, dict):
        return {k: rewrite(v, change, k) for k, v in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(rewrite(v, change) for v in node)
    return node


def quarter(key: str, value: Any) -> Any:
    """A quarter of a size."""
    if key == 'pad_size_divisor':
        return value // 4
    if key == 'max_size':
        return value // 4
    if key in ('scale', 'scales', 'crop_size', 'size'):
        return tuple(side // 4 for side in value)
    return value


def full_size(backbone: Any) -> bool:
    """Whether a backbone has all its channels."""
    kind = backbone.type.split('.')[-1]
    if kind in ('ChainNet', 'MobileNASNet'):
        return 'width' not in backbone
    return kind == 'PPResNet' or backbone.get('init_channels', 0) >= 48


def seg_heads(model: Any) -> list[Any]:
    """The configs of the decoder and of the auxiliary heads of a segmentor."""
    return [model.decode_head, *(model.get('auxiliary_head') or [])]


def selected(channels: list[int], head: Any) -> Any:
    """The channels that a segmentation head reads: one number or a list."""
    index = head.in_index
    return channels[index] if isinstance(index, int) else [channels[i] for i in index]


def shrink(model: Any) -> None:
    """Make a full-size backbone as narrow as it can be, and every neck and head.

    Only weights that are part of this repository stay.
    """
    if model.backbone.type.endswith('PPResNet'):
        model.backbone.update(stem_channels=8, base_channels=8, init_cfg=None)
    elif full_size(model.backbone) and 'init_channels' in model.backbone:
        model.backbone.update(init_channels=16, num_cells=3, init_cfg=None)
    elif full_size(model.backbone):
        model.backbone.update(width=0.5, last_channels=24, init_cfg=None)
    elif 'model_zoo' not in model.backbone.get('init_cfg', {}).get('checkpoint', ''):
        model.backbone.init_cfg = None
    with torch.device('meta'):
        channels = MODELS.build(model.backbone).out_channels
    if 'neck' in model:
        model.neck.update(in_channels=channels, out_channels=16)
        model.bbox_head.update(in_channels=16, feat_channels=16)
        model.test_cfg.update(score_thr=0, max_per_img=1000)  # untrained: a box is anywhere
    else:
        for head in seg_heads(model):
            head.update(in_channels=selected(channels, head), channels=16)
            if 'c1_channels' in head:
                head.update(c1_in_channels=channels[0], c1_channels=8)


def small(name: str, data: Path) -> Config:
    """A config that trains in a second, with the photographs as its data."""
    quartered = full_size(loaded(name).model.backbone)

    def change(key: str, value: Any) -> Any:
        if key == 'data_root' or (key == 'ann_file' and value.startswith('data/')):
            assert value.startswith('data/'), f'{name}: {key}={value}'
            return value.replace('data', str(data), 1)
        return quarter(key, value) if quartered else value

    config = Config(rewrite(loaded(name).to_dict(), change))
    with scope(config):
        shrink(config.model)
        head = config.model.get('decode_head')
        options = dict(ignore_index=head.get('ignore_index', 255)) if head else {}
        for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
            # mmseg predicts batches of equal sizes only
            limit = 3 if loader is config.train_dataloader else 2
            loader.update(num_workers=0, batch_size=min(loader.batch_size, limit))
            for dataset in leaves(loader.dataset):
                dataset.serialize_data = False
                if not dataset.data_root.startswith(str(data / 'digit_scenes')):
                    write(dataset, **options)
    return config
