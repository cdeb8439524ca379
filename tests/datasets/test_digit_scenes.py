"""Digit scenes: same seed, same bytes; annotations that fit the pixels; read by every library."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS, DefaultScope
from sklearn.datasets import load_digits
from tool import call

from ppnas_mm.datasets.digit_scenes import make_scenes, write_scenes
from ppnas_mm.datasets.digits import load_split

CLASSES = tuple('0123456789')


def digests(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(Path(folder).rglob('*'))
        if p.is_file()
    }


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    out = tmp_path_factory.mktemp('scenes')
    write_scenes(out, {'train': 5, 'test': 3}, seed=1)
    return out


def test_same_seed_same_bytes_and_another_seed_another_set(scenes, tmp_path):
    command = ('make_digit_scenes.py', '--train', 5, '--test', 3)
    assert call(*command, '--out', tmp_path / 'a', '--seed', 1) == 0
    assert call(*command, '--out', tmp_path / 'b', '--seed', 2) == 0
    assert digests(tmp_path / 'a') == digests(scenes)
    other = digests(tmp_path / 'b')
    pictures = [k for k in other if k.endswith('.jpg')]
    assert other.keys() == digests(scenes).keys()
    assert all(other[k] != digests(scenes)[k] for k in pictures) and len(pictures) == 8


def test_a_scene_does_not_depend_on_how_many_there_are():
    few, many = list(make_scenes('train', 2)), list(make_scenes('train', 4))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(few, many, strict=False))


def test_the_splits_share_no_digit():
    train, test = load_split('train')[0], load_split('test')[0]
    assert len(train) + len(test) == len(load_digits().images)
    common = {d.tobytes() for d in train} & {d.tobytes() for d in test}
    assert len({d.tobytes() for d in test}) == len(test) and not common


def test_boxes_are_the_tight_boxes_of_the_strokes():
    """Counted anew from the mask: every stroke pixel lies in a box of its digit, and fills it."""
    number = 0
    for scene in make_scenes('train', 20):
        assert scene.image.shape == (160, 160, 3) and scene.image.dtype == np.uint8
        left = scene.mask.copy()
        for (x, y, w, h), label in zip(scene.boxes, scene.labels, strict=True):
            rows, columns = np.nonzero(left[y : y + h, x : x + w] == label + 1)
            assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, h - 1, 0, w - 1)
            left[y : y + h, x : x + w][left[y : y + h, x : x + w] == label + 1] = 0
            number += 1
        assert not left.any()
    assert number > 50


def test_strokes_are_brighter_than_the_ground_on_average():
    for scene in make_scenes('test', 5):
        grey = scene.image.mean(2)
        assert grey[scene.mask > 0].mean() > grey[scene.mask == 0].mean() + 50


def read(kind, **config):
    with DefaultScope.overwrite_default_scope('mmseg' if 'Seg' in kind else 'mmdet'):
        scope = 'mmseg' if kind in ('PascalVOCDataset', 'CityscapesDataset') else 'mmdet'
        return DATASETS.build(dict(type=f'{scope}.{kind}', pipeline=[], **config))


def test_mmdets_coco_and_voc_read_the_same_boxes(scenes):
    coco = read(
        'CocoDataset', data_root=str(scenes), ann_file='coco/annotations/instances_train.json',
        data_prefix=dict(img='voc/JPEGImages'), metainfo=dict(classes=CLASSES),
    )  # fmt: skip
    voc = read(
        'XMLDataset', data_root=str(scenes), ann_file='voc/ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root='voc/'), metainfo=dict(classes=CLASSES),
    )  # fmt: skip
    assert len(coco) == len(voc) == 5
    for i, scene in enumerate(make_scenes('train', 5, seed=1)):
        boxes = [[x, y, x + w, y + h] for x, y, w, h in scene.boxes]
        for found in (coco.get_data_info(i), voc.get_data_info(i)):
            assert [n['bbox_label'] for n in found['instances']] == scene.labels
            assert all(n['ignore_flag'] == 0 for n in found['instances'])
            picture = cv2.imread(found['img_path'])
            assert np.abs(picture.astype(int) - scene.image).mean() < 6  # JPEG
        np.testing.assert_array_equal(
            [n['bbox'] for n in coco.get_data_info(i)['instances']], boxes
        )
        # mmdet's VOC boxes keep VOC's inclusive corners, counted from 1 and shifted to 0
        read_boxes = np.array([n['bbox'] for n in voc.get_data_info(i)['instances']])
        assert np.abs(read_boxes - boxes).max() <= 1


@pytest.mark.parametrize(
    ('kind', 'config'),
    [
        (
            'PascalVOCDataset',
            dict(
                folder='voc', ann_file='ImageSets/Segmentation/val.txt',
                data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
            ),
        ),
        (
            'CityscapesDataset',
            dict(
                folder='cityscapes',
                data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
            ),
        ),
    ],
)  # fmt: skip
def test_mmsegs_voc_and_cityscapes_read_the_masks(scenes, kind, config):
    config = dict(config)
    dataset = read(kind, data_root=str(scenes / config.pop('folder')), **config)
    assert len(dataset) == 3
    for i, scene in enumerate(make_scenes('test', 3, seed=1)):
        found = dataset.get_data_info(i)
        np.testing.assert_array_equal(cv2.imread(found['seg_map_path'], -1), scene.mask)
        assert cv2.imread(found['img_path']).shape == scene.image.shape


def test_coco_file_is_complete(scenes):
    coco = json.loads((scenes / 'coco/annotations/instances_val.json').read_text())
    assert [c['name'] for c in coco['categories']] == list(CLASSES)
    assert len({a['id'] for a in coco['annotations']}) == len(coco['annotations']) > 0
    assert all(a['area'] == a['bbox'][2] * a['bbox'][3] for a in coco['annotations'])


def test_a_smaller_set_leaves_nothing_of_a_larger_one(tmp_path):
    write_scenes(tmp_path / 'a', {'train': 3, 'test': 2})
    write_scenes(tmp_path / 'a', {'train': 2, 'test': 1})
    write_scenes(tmp_path / 'b', {'train': 2, 'test': 1})
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')
    before = digests(tmp_path / 'a')
    with pytest.raises(ValueError, match='number=0'):
        write_scenes(tmp_path / 'a', {'train': 2, 'test': 0})
    assert digests(tmp_path / 'a') == before


def test_bad_arguments(tmp_path, capsys):
    (tmp_path / 'mine.txt').write_text('keep')
    assert call('make_digit_scenes.py', '--out', tmp_path) == 2
    assert 'other files' in capsys.readouterr().err
    assert (tmp_path / 'mine.txt').read_text() == 'keep'
    for flag, value in (('--train', 0), ('--size', 20), ('--seed', -1)):
        assert call('make_digit_scenes.py', '--out', tmp_path / 'n', flag, value) == 2
        assert 'expected' in capsys.readouterr().err
