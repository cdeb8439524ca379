"""Parts of wrapped data sets: concatenated, repeated, class-balanced, mixed, nested."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import ConcatDataset, Dataset, Subset


class Part(Dataset):
    """Items of several data sets, in any order.

    Args:
        datasets: The sets.
        spots: For each item the number of its set and its index there, ``(N, 2)``.
        metainfo: Meta information of the whole set.
    """

    def __init__(
        self, datasets: Sequence[Any], spots: Sequence[tuple[int, int]], metainfo: Any
    ) -> None:
        self.datasets = list(datasets)
        self.spots = np.array(spots, dtype=np.int64).reshape(-1, 2)
        self.metainfo = metainfo

    def full_init(self) -> None:
        """Do nothing: the sets are loaded."""

    def __len__(self) -> int:
        return len(self.spots)

    def spot(self, index: int) -> tuple[Any, int]:
        """Return the set of an item and its index there."""
        number, inner = self.spots[index].tolist()
        return self.datasets[number], inner

    def __getitem__(self, index: int) -> Any:
        dataset, inner = self.spot(index)
        return dataset[inner]

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Return the annotation of an item."""
        dataset, inner = self.spot(index)
        return dataset.get_data_info(inner)

    def get_cat_ids(self, index: int) -> list[int]:
        """Return the categories of an item."""
        dataset, inner = self.spot(index)
        return dataset.get_cat_ids(inner)


def _mixes(dataset: Any) -> bool:
    """Whether a wrapper mixes an image with others of its set (mosaic, mix-up)."""
    return hasattr(dataset, 'update_skip_type_keys')


def places(dataset: Any) -> list[tuple[Any, int]]:
    """Return for each item of a set the innermost set that it comes from, and its index there.

    A wrapper that mixes images counts as innermost.

    Raises:
        ValueError: If a wrapper does not say which items it returns.
    """
    if isinstance(dataset, Part):
        return [dataset.spot(i) for i in range(len(dataset))]
    if isinstance(dataset, ConcatDataset):
        return [place for one in dataset.datasets for place in places(one)]
    if _mixes(dataset) or not hasattr(dataset, 'dataset'):
        return [(dataset, i) for i in range(len(dataset))]
    inner = places(dataset.dataset)
    if isinstance(dataset, Subset):
        return [inner[i] for i in dataset.indices]
    if hasattr(dataset, 'num_splits'):  # mmpretrain's KFoldDataset holds its fold alone
        return inner
    if hasattr(dataset, '_get_ori_dataset_idx'):
        return [inner[dataset._get_ori_dataset_idx(i)] for i in range(len(dataset))]
    raise ValueError(
        f'{type(dataset).__name__} does not say which items of its data set it returns, so the set '
        "cannot be split; expected a wrapper of mmengine's, or one with _get_ori_dataset_idx"
    )


def select(dataset: Any, indices: Sequence[int]) -> Any:
    """Return a set with some items of another; wrappers that mix images mix only these.

    Args:
        dataset: A set, or wrapped sets; do not use it afterwards.
        indices: The items, ascending.
    """
    if _mixes(dataset):
        twin = copy.copy(dataset)
        twin.dataset = select(dataset.dataset, indices)
        twin.num_samples = twin._ori_len = len(indices)
        return twin
    whole = places(dataset)
    if all(leaf is dataset for leaf, _ in whole) and hasattr(dataset, 'get_subset'):
        return dataset.get_subset(list(indices))
    chosen: dict[int, tuple[Any, set[int]]] = {}
    for leaf, inner in (whole[i] for i in indices):
        chosen.setdefault(id(leaf), (leaf, set()))[1].add(inner)
    numbers, parts, new = {}, [], {}
    for number, (key, (leaf, members)) in enumerate(chosen.items()):
        kept = sorted(members)
        can = _mixes(leaf) or hasattr(leaf, 'get_subset')
        numbers[key] = number
        parts.append(select(leaf, kept) if can else leaf)
        new[key] = {inner: k if can else inner for k, inner in enumerate(kept)}
    spots = [
        (numbers[id(leaf)], new[id(leaf)][inner]) for leaf, inner in (whole[i] for i in indices)
    ]
    return Part(parts, spots, getattr(dataset, 'metainfo', {}))


def with_pipeline(config: Mapping[str, Any], pipeline: Sequence[Any]) -> dict[str, Any]:
    """Return the config of a set with another pipeline, also inside wrappers.

    Wrappers that mix images have their own pipeline and are left out.
    """
    if isinstance(config.get('datasets'), (list, tuple)):
        return {**config, 'datasets': [with_pipeline(one, pipeline) for one in config['datasets']]}
    if isinstance(config.get('dataset'), Mapping):
        inner = with_pipeline(config['dataset'], pipeline)
        return inner if 'pipeline' in config else {**config, 'dataset': inner}
    return {**config, 'pipeline': pipeline}
