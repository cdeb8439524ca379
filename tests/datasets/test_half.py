"""Halves of data sets in wrappers: cut by image, balanced, and mixed only among themselves."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import mmdet.datasets
import mmpretrain.datasets
import mmseg.datasets
import numpy as np
import pytest
from tool import ROOT, call
from torch.utils.data import Dataset, Subset

from ppnas_mm.datasets.half import half_indices, rarest
from ppnas_mm.datasets.wrapped import places, select, with_pipeline
from ppnas_mm.registry import DATASETS

assert mmdet and mmpretrain and mmseg  # they register their data sets
LABELS = [0] * 10 + [1] * 6 + [2] * 3


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Nineteen images of three classes, also with boxes, masks and several labels."""
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    for i in range(len(LABELS)):
        image = np.full((8, 8, 3), i, np.uint8)
        cv2.imwrite(str(tmp_path / f'images/{i}.png'), image)
        cv2.imwrite(str(tmp_path / f'masks/{i}.png'), image[..., 0] * 0)

    def write(name: str, labels: list[Any]) -> None:
        items = [
            {'img_path': f'images/{i}.png', 'gt_label': label} for i, label in enumerate(labels)
        ]
        data = {'metainfo': {'classes': ['a', 'b', 'c']}, 'data_list': items}
        (tmp_path / name).write_text(json.dumps(data))

    write('single.json', LABELS)
    write('multi.json', [[], [2], [2, 0], *[[0]] * 8, *[[0, 1]] * 8])
    coco = {
        'categories': [{'id': 1, 'name': 'a'}],
        'images': [
            {'id': i, 'file_name': f'{i}.png', 'height': 8, 'width': 8} for i in range(len(LABELS))
        ],
        'annotations': [
            {
                'id': i,
                'image_id': i,
                'category_id': 1,
                'bbox': [1, 1, 4, 4],
                'area': 16,
                'iscrowd': 0,
            }
            for i in range(len(LABELS))
        ],
    }
    (tmp_path / 'coco.json').write_text(json.dumps(coco))
    return tmp_path


def single(root: Path, **more: Any) -> dict[str, Any]:
    return dict(
        type='mmpretrain.BaseDataset',
        data_root=str(root),
        ann_file='single.json',
        pipeline=[],
        **more,
    )


def multi(root: Path) -> dict[str, Any]:
    return {**single(root), 'type': 'mmpretrain.MultiLabelDataset', 'ann_file': 'multi.json'}


def boxes(root: Path) -> dict[str, Any]:
    return dict(
        type='mmdet.CocoDataset', data_root=str(root), ann_file='coco.json', pipeline=[],
        metainfo=dict(classes=('a',)), data_prefix=dict(img='images'),
    )  # fmt: skip


def masks(root: Path) -> dict[str, Any]:
    return dict(
        type='mmseg.BaseSegDataset', data_root=str(root), pipeline=[],
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png', seg_map_suffix='.png',
        metainfo=dict(classes=('a',), palette=[[0, 0, 0]]),
    )  # fmt: skip


SETS = {'single': single, 'multi': multi, 'boxes': boxes, 'masks': masks}
WRAPPERS: dict[str, Any] = {
    'none': lambda one: one,
    'repeat': lambda one: dict(type='RepeatDataset', times=3, dataset=one),
    'concat': lambda one: dict(type='ConcatDataset', datasets=[one, one]),
    'repeat of concat': lambda one: dict(
        type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[one, one])
    ),
    'repeat of repeat': lambda one: dict(
        type='RepeatDataset', times=2, dataset=dict(type='RepeatDataset', times=2, dataset=one)
    ),
    'half of half': lambda one: dict(type='ppnas_mm.Half', half='val', dataset=one),
}
OF_LABELS: dict[str, Any] = {
    'balanced': lambda one: dict(type='ClassBalancedDataset', oversample_thr=0.9, dataset=one),
    'fold': lambda one: dict(type='mmpretrain.KFoldDataset', fold=1, num_splits=4, dataset=one),
    'repeat of balanced': lambda one: WRAPPERS['repeat'](OF_LABELS['balanced'](one)),
    'balanced fold': lambda one: OF_LABELS['balanced'](OF_LABELS['fold'](one)),
}


def halves(config: dict[str, Any], scope: str = 'mmpretrain', **more: Any) -> list[Any]:
    with DATASETS.switch_scope_and_registry(scope):
        return [
            DATASETS.build(dict(type='ppnas_mm.Half', dataset=config, half=half, **more))
            for half in ('train', 'val')
        ]


def paths(dataset: Any) -> Counter:
    return Counter(dataset.get_data_info(i)['img_path'] for i in range(len(dataset)))


def whole_paths(config: dict[str, Any], scope: str) -> Counter:
    with DATASETS.switch_scope_and_registry(scope):
        whole = DATASETS.build(config)
    whole.full_init()
    return paths(whole)


CASES = [(kind, name) for kind in SETS for name in WRAPPERS] + [
    (kind, name) for kind in ('single', 'multi') for name in OF_LABELS
]


@pytest.mark.parametrize(('kind', 'name'), CASES)
def test_an_image_is_in_one_half_as_often_as_in_the_whole(kind: str, name: str, root: Path) -> None:
    config = {**WRAPPERS, **OF_LABELS}[name](SETS[kind](root))
    scope = {'boxes': 'mmdet', 'masks': 'mmseg'}.get(kind, 'mmpretrain')
    one, two = halves(config, scope)
    assert one.metainfo['classes'] == two.metainfo['classes']
    assert not paths(one).keys() & paths(two).keys()
    assert abs(len(paths(one)) - len(paths(two))) <= 1
    assert paths(one) + paths(two) == whole_paths(config, scope)
    for dataset in (one, two):
        items = [dataset[i] for i in range(len(dataset))]
        assert Counter(item['img_path'] for item in items) == paths(dataset)


@pytest.mark.parametrize('name', ['repeat', 'concat', 'balanced', 'repeat of balanced'])
def test_classes_and_fractions_are_those_of_the_images(name: str, root: Path) -> None:
    config = {**WRAPPERS, **OF_LABELS}[name](single(root))
    plain = halves(single(root), fraction=0.6, seed=3, val_share=0.3)
    wrapped = halves(config, fraction=0.6, seed=3, val_share=0.3)
    assert [set(paths(d)) for d in wrapped] == [set(paths(d)) for d in plain]
    labels = {Path(p).name: LABELS[int(Path(p).stem)] for d in plain for p in paths(d)}
    assert Counter(labels.values()) == {0: 6, 1: 4, 2: 2}


def test_a_plain_set_is_cut_as_its_labels_say(root: Path) -> None:
    for half, dataset in zip(('train', 'val'), halves(single(root), seed=5), strict=True):
        expected = half_indices(np.array(LABELS), half, seed=5)
        assert [int(Path(p).stem) for p in paths(dataset)] == expected


def test_several_labels_count_as_the_rarest() -> None:
    labels: list[tuple] = [(), (2,), (0, 2), (0,), (0, 1), (1, 0, 0), (0,)]
    # 0: 5 images; 1: 2; 2: 2, and 1 goes before 2
    assert rarest(labels).tolist() == [-1, 2, 2, 0, 1, 1, 0]
    assert rarest([(7,), (3,), (7,)]).tolist() == [1, 0, 1]


def test_images_in_memory_are_told_by_content() -> None:
    one = dict(type='ppnas_mm.Digits', split='train', indices=40)
    first, second = halves(dict(type='ConcatDataset', datasets=[one, one]))

    def images(dataset: Any) -> Counter:
        items = (dataset.get_data_info(i) for i in range(len(dataset)))
        return Counter(item['img'].tobytes() for item in items)

    assert not images(first).keys() & images(second).keys()
    assert set((images(first) + images(second)).values()) == {2}


def test_one_file_with_many_labels_is_still_cut(root: Path) -> None:
    items = [{'img_path': 'images/0.png', 'gt_label': label} for label in ([0], [0, 1], [1], [])]
    data = {'metainfo': {'classes': ['a', 'b']}, 'data_list': items}
    (root / 'multi.json').write_text(json.dumps(data))
    assert [len(half) for half in halves(multi(root))] == [2, 2]


# -- wrappers of torch, of nobody, and such as mix images ------------------------------------------


class Bare(Dataset):
    """A data set that knows nothing of mmengine."""

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> int:
        return index


def build_bare() -> Bare:
    return Bare()


def test_torch_subsets_and_bare_data_sets() -> None:
    subset = Subset(Subset(Bare(), [8, 1, 1, 3, 5]), [0, 1, 2, 3])
    assert [i for _, i in places(subset)] == [8, 1, 1, 3]
    part = select(subset, [0, 2, 3])
    assert [part[i] for i in range(len(part))] == [8, 1, 3]
    DATASETS.register_module('TestBare', module=build_bare, force=True)
    one, two = halves(dict(type='ppnas_mm.TestBare'))
    assert sorted([*(one[i] for i in range(len(one))), *(two[i] for i in range(len(two)))]) == list(
        range(9)
    )


def test_unknown_wrappers_are_refused_in_one_line() -> None:
    class Strange(Dataset):
        def __init__(self) -> None:
            self.dataset = Bare()

        def __len__(self) -> int:
            return 3

    with pytest.raises(ValueError, match='Strange does not say which items') as error:
        places(Strange())
    assert '\n' not in str(error.value)


def mosaic(root: Path, scope: str) -> dict[str, Any]:
    load = [dict(type='LoadImageFromFile')]
    if scope == 'mmdet':
        load.append(dict(type='LoadAnnotations', with_bbox=True))
        inner = {**boxes(root), 'pipeline': load}
        mix = dict(type='mmdet.Mosaic', img_scale=(8, 8), prob=1.0)
    else:
        load.append(dict(type='LoadAnnotations'))
        plain = {**masks(root), 'pipeline': load}
        inner = dict(type='ConcatDataset', datasets=[plain])
        mix = dict(type='RandomMosaic', img_scale=(8, 8), prob=1.0)
    return dict(type=f'{scope}.MultiImageMixDataset', dataset=inner, pipeline=[mix])


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg'])
@pytest.mark.parametrize('times', [None, 2])
def test_mixed_images_are_of_one_half(scope: str, times: int | None, root: Path) -> None:
    config = mosaic(root, scope)
    if times:
        config = dict(type='RepeatDataset', times=times, dataset=config)
    seen = []
    for dataset in halves(config, scope):
        allowed = {int(Path(p).stem) for p in paths(dataset)}
        values = set()
        for i in range(len(dataset)):  # an image is filled with its number; 114 and 0 are padding
            values |= set(np.unique(dataset[i]['img']).tolist()) - {114, 0}
        assert values <= allowed and len(values) > 4
        seen.append(allowed)
    assert not seen[0] & seen[1] and len(seen[0] | seen[1]) == len(LABELS)


# -- in a search -----------------------------------------------------------------------------------


def test_the_pipeline_of_the_second_half_reaches_what_is_wrapped() -> None:
    one = dict(type='A', pipeline=[1])
    assert with_pipeline(one, [2]) == dict(type='A', pipeline=[2])
    repeated = dict(type='RepeatDataset', times=2, dataset=one)
    joined = dict(type='ConcatDataset', datasets=[one, repeated])
    assert with_pipeline(joined, [2]) == dict(
        type='ConcatDataset',
        datasets=[
            dict(type='A', pipeline=[2]),
            dict(type='RepeatDataset', times=2, dataset=dict(type='A', pipeline=[2])),
        ],
    )
    mixed = dict(type='MultiImageMixDataset', dataset=one, pipeline=[3])
    assert with_pipeline(mixed, [2]) == dict(type='A', pipeline=[2])


CONFIG = f"""
_base_ = '{ROOT}/configs/search/darts_digits.py'
model = dict(model=dict(
    backbone=dict(init_channels=2, num_cells=3), head=dict(in_channels=32)), warmup_epochs=0)
train_dataloader = dict(batch_size=16, dataset=dict(
    _delete_=True, type='RepeatDataset', times=2, dataset=dict(
        type='ppnas_mm.Digits', split='train', indices=70, pipeline=[dict(type='PackInputs')])))
val_dataloader = dict(dataset=dict(indices=20))
train_cfg = dict(max_epochs=1, val_interval=1, val_pipeline=[dict(type='PackInputs')])
"""


def test_a_search_reads_a_repeated_set(tmp_path: Path) -> None:
    config = tmp_path / 'repeated.py'
    config.write_text(CONFIG)
    assert call('search.py', config, '--work-dir', tmp_path / 'work') == 0
    assert (tmp_path / 'work/genotype.json').is_file()
