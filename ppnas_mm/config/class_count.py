"""Sets the number of classes of a config from the folders of its images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .keys import mappings, type_name


def _training_folder(config: Any) -> Path | None:
    """Return the folder that has one folder of training images for each class, if there is one."""
    dataset = (config.get('train_dataloader') or {}).get('dataset') or {}
    while isinstance(dataset.get('dataset'), Mapping):
        dataset = dataset['dataset']  # of a wrapper
    if (
        type_name(dataset) != 'CustomDataset'
    ):  # in other data sets a folder is not a class, e.g. the cities of Cityscapes
        return None
    prefix = dataset.get('data_prefix') or ''
    prefix = prefix.get('img_path', '') if isinstance(prefix, Mapping) else prefix
    named = dataset.get('ann_file') or dataset.get('classes') or 'metainfo' in dataset
    if named or not dataset.get('with_label', True) or not prefix:
        return None
    return Path(dataset.get('data_root') or '') / prefix


def follow_folders(config: Any, options: Iterable[str]) -> str | None:
    """Set each ``num_classes`` of a classifier to the number of its training folders.

    Args:
        config: A config whose data root has just been set.
        options: The keys that the user overrides; with a ``num_classes`` nothing is changed.

    Returns:
        What was changed, in words, if anything was.
    """
    places = [
        node
        for node in mappings([config.get('model') or {}, config.get('data_preprocessor') or {}])
        if isinstance(node.get('num_classes'), int)
    ]
    folder = _training_folder(config)
    chosen = any(key.endswith('.num_classes') for key in options)
    if chosen or not places or folder is None or not folder.is_dir():
        return None
    count = sum(path.is_dir() for path in folder.iterdir())
    before = {node['num_classes'] for node in places}
    if not count or before == {count}:
        return None
    for node in places:
        node['num_classes'] = count
    return f'num_classes={count}, the number of folders in {folder}'
