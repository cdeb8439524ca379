"""Data that cannot be right, by kinds: found before training, by one line that names the file."""

import json

import cv2
import numpy as np
import pytest
from bad_data import detect, edit, error, scenes, segment  # noqa: F401
from tool import ROOT, call

from ppnas_mm.datasets.box_check import AnnotationError, box_problem, check_coco_file

FOLDERS = ROOT / 'configs/classification/pp-resnet50_imagefolder.py'
TINY = [
    'model.backbone.stem_channels=8', 'model.backbone.base_channels=8',
    'model.head.in_channels=256', 'train_dataloader.batch_size=2', 'train_dataloader.num_workers=0',
    'val_dataloader.num_workers=0', 'train_cfg.max_epochs=1',
]  # fmt: skip
TRAIN = 'coco/annotations/instances_train.json'


def folders(root, train, val):
    for split, labels in (('train', train), ('val', val)):
        for label in labels:
            (root / split / label).mkdir(parents=True)
            for i in range(2):
                picture = np.full((40, 40, 3), 20 * i, np.uint8)
                cv2.imwrite(str(root / split / label / f'{i}.png'), picture)


@pytest.mark.parametrize('val', [('x', 'y'), ('a',), ('a', 'b', 'c')])
def test_other_folders_for_validation(tmp_path, capsys, val):
    folders(tmp_path / 'data', ('a', 'b'), val)
    options = [*TINY, f'data_root={tmp_path}/data']
    run = ('train.py', FOLDERS, '--work-dir', tmp_path / 'run', '--cfg-options', *options)
    assert call(*run) == 2
    line = error(capsys)
    assert 'the training set has the classes a, b' in line and val[-1] in line
    assert not list(tmp_path.glob('run/*.pth'))


def test_a_head_of_another_size_than_the_folders(tmp_path, capsys):
    folders(tmp_path / 'data', ('a', 'b'), ('a', 'b'))
    options = [*TINY, f'data_root={tmp_path}/data', 'model.head.num_classes=7']
    run = ('train.py', FOLDERS, '--work-dir', tmp_path / 'run', '--cfg-options', *options)
    assert call(*run) == 2
    assert 'has 2 classes, but head.num_classes=7' in error(capsys)


def boxes(change):
    def apply(coco):
        for annotation in coco['annotations']:
            change(annotation)

    return apply


def first_box(**values):
    def apply(coco):
        coco['annotations'][0].update(values)

    return apply


def twice(kind):
    def apply(coco):
        coco[kind][1]['id'] = coco[kind][0]['id']

    return apply


FAULTS = {
    'all crowds': (boxes(lambda a: a.update(iscrowd=1)), 'are crowds (iscrowd=1)'),
    'infinite': (first_box(bbox=[0, 0, float('inf'), 9]), 'is not finite'),
    'nan': (first_box(bbox=[float('nan'), 0, 9, 9]), 'is not finite'),
    'huge': (first_box(bbox=[0, 0, 1e9, 1e9]), 'far outside of the image'),
    'images twice': (twice('images'), 'images have the id'),
    'annotations twice': (twice('annotations'), 'not unique'),
}


@pytest.mark.parametrize(('change', 'words'), FAULTS.values(), ids=list(FAULTS))
def test_boxes(scenes, capsys, change, words):
    edit(scenes / TRAIN, change)
    assert detect(scenes) == 2
    line = error(capsys)
    assert 'instances_train.json' in line and words in line


def test_a_box_a_little_outside_is_taken():
    info = dict(width=100, height=50, instances=[dict(bbox=[-3, -2, 104, 55], bbox_label=0)])
    assert box_problem(info) is None
    info['instances'][0]['bbox'] = [0, 0, 301, 50]
    assert 'far outside of the image of 100 x 50' in box_problem(info)


def test_ids_of_a_whole_file(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(dict(images=[dict(id=1), dict(id=2)], annotations=[])))
    check_coco_file(path)
    path.write_text(json.dumps(dict(images=[dict(id=1), dict(id=1)], annotations=[])))
    with pytest.raises(AnnotationError, match='images have the id 1 2 times'):
        check_coco_file(path)


def mask(scenes, split, content):
    path = next(iter(sorted((scenes / 'voc/SegmentationClass').glob(f'{split}_*.png'))))
    cv2.imwrite(str(path), content)
    return path


MASKS = {
    'another size': (np.zeros((10, 10), np.uint8), 'is 10 x 10, its image'),
    '16 bits': (np.full((160, 160), 300, np.uint16), 'has the label 300; mmseg reads masks with 8'),
    'label': (np.full((160, 160), 99, np.uint8), 'has the label 99, but the model has 11 classes'),
}


@pytest.mark.parametrize('split', ['train', 'val'])
@pytest.mark.parametrize(('content', 'words'), MASKS.values(), ids=list(MASKS))
def test_masks(scenes, capsys, split, content, words):
    path = mask(scenes, split, content)
    assert segment(scenes, 'train_cfg.max_epochs=1') == 2
    line = error(capsys)
    assert str(path) in line and words in line


def test_16_bits_that_fit_are_read_right(scenes):
    path = next((scenes / 'voc/SegmentationClass').glob('train_*.png'))
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), labels.astype(np.uint16))
    assert segment(scenes, 'train_cfg.max_epochs=1') == 0
