"""Bad detection and segmentation data: one clear line, exit code 2, before or while training."""

import json

import cv2
import numpy as np
import pytest
from bad_data import detect, edit, error, scenes, segment  # noqa: F401
from mmengine.registry import DATASETS, DefaultScope
from scenes import DETECTION, SMALL, detection_data
from tool import ROOT, call
from torch import nn

from ppnas_mm.config.load import load_config
from ppnas_mm.datasets import data_check


def test_class_names_that_the_annotation_does_not_have(scenes, capsys):
    def rename(coco):
        for category in coco['categories']:
            category['name'] = f'digit {category["name"]}'

    edit(scenes / 'coco/annotations/instances_train.json', rename)
    assert detect(scenes) == 2
    text = error(capsys)
    assert text.startswith('error: AnnotationError') and 'instances_train.json' in text
    assert "'digit 0'" in text and 'metainfo.classes' in text


def test_class_names_in_another_order_than_in_the_annotation(scenes, capsys):
    """mmdet would count in the order of the file, and call every 0 a 9."""
    path = scenes / 'coco/annotations/instances_train.json'
    edit(path, lambda coco: coco['categories'].reverse())
    assert detect(scenes) == 2
    assert str(path) in (text := error(capsys)) and 'order of the file' in text


def test_another_number_of_classes_than_the_head(scenes, capsys):
    assert detect(scenes, 'model.bbox_head.num_classes=7') == 2
    assert 'bbox_head.num_classes=7' in (text := error(capsys)) and '10 classes' in text
    assert segment(scenes, 'model.decode_head.num_classes=9') == 2
    assert 'decode_head.num_classes=9' in (text := error(capsys)) and '11 classes' in text


def test_an_annotation_without_any_box(scenes, capsys):
    edit(scenes / 'coco/annotations/instances_train.json', lambda coco: coco['annotations'].clear())
    assert detect(scenes) == 2
    assert 'no image has a box' in error(capsys)


def test_an_annotation_without_any_image(scenes, capsys):
    path = scenes / 'coco/annotations/instances_train.json'
    edit(path, lambda coco: [coco[k].clear() for k in ('images', 'annotations')])
    assert detect(scenes) == 2
    assert str(path) in (text := error(capsys)) and 'empty' in text


def test_an_empty_annotation_file(scenes, capsys):
    path = scenes / 'coco/annotations/instances_train.json'
    path.write_text('')
    assert detect(scenes) == 2
    assert str(path) in error(capsys)


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize('content', [b'', b'not an image'])
def test_an_image_that_cannot_be_read(scenes, content, workers, capsys):
    path = scenes / 'voc/JPEGImages/train_00002.jpg'
    path.write_bytes(content)
    option = f'train_dataloader.num_workers={workers}'
    for train in (detect, segment):
        assert train(scenes, option) == 2
        assert str(path) in error(capsys)


def test_a_mask_with_too_large_a_label(scenes, capsys):
    path = scenes / 'voc/SegmentationClass/train_00001.png'
    cv2.imwrite(str(path), np.full((160, 160), 11, np.uint8))
    assert segment(scenes) == 2
    assert str(path) in (text := error(capsys)) and 'label 11' in text and '11 classes' in text


def test_a_checkpoint_of_another_architecture(scenes, capsys):
    zoo = ROOT / 'model_zoo/pp-resnet20_digits/derived.safetensors'
    config = [
        f'model.backbone.init_cfg.checkpoint={zoo}',
        'model.backbone.arch=pp_resnet_cifar10',
        'train_cfg.max_epochs=1',
    ]
    roots = detection_data(scenes)
    work = scenes.parent / 'work'
    assert call('train.py', DETECTION, '--work-dir', work, '--cfg-options', *roots, *config) == 2
    assert 'another genotype' in (text := error(capsys)) and str(zoo) in text
    narrow = [config[0], *SMALL[:2], 'model.neck.in_channels=[64,128]']
    assert call('train.py', DETECTION, '--work-dir', work, '--cfg-options', *roots, *narrow) == 2
    assert 'tensors of the backbone' in error(capsys)


def test_demo_says_what_it_cannot_read(scenes, capsys, tmp_path):
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'not an image')
    (tmp_path / 'empty.jpg').touch()
    zoo = ROOT / 'model_zoo/pp-resnet20_digits/derived.safetensors'
    out = tmp_path / 'out.png'
    words_of = {'broken': 'cannot be read', 'empty': 'cannot be read', 'none': 'no such file'}
    for name, words in words_of.items():
        image = tmp_path / f'{name}.jpg'
        assert call('demo.py', image, DETECTION, zoo, '--out', out) == 2
        assert words in (text := error(capsys)) and str(image) in text
    good = scenes / 'voc/JPEGImages/val_00000.jpg'
    assert call('demo.py', good, DETECTION, zoo, '--out', out) == 2
    assert 'does not fit the model' in error(capsys)
    assert call('demo.py', good, DETECTION, zoo, '--out', tmp_path / 'out.txt') == 2
    assert '.png or .jpg' in error(capsys)
    assert not out.exists()


def test_a_class_without_any_box_is_warned_of(scenes, monkeypatch):
    path = scenes / 'coco/annotations/instances_train.json'

    def without_one(coco):
        coco['annotations'] = [a for a in coco['annotations'] if a['category_id'] != 2]

    edit(path, without_one)
    lines = []
    monkeypatch.setattr(data_check, 'print_log', lambda text, *_: lines.append(text))
    config = load_config(DETECTION, {'data_root': str(scenes)}).train_dataloader.dataset
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(config)
    seen = {a['category_id'] for a in json.loads(path.read_text())['annotations']}
    data_check.check_dataset(dataset, nn.Module())
    unused = [str(i) for i in range(10) if i + 1 not in seen]
    assert '1' in unused and len(lines) == 1 and f'no box of {unused}' in lines[0]
