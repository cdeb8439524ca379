"""tools/demo.py with all three libraries; heads with a fixed bias say what must be drawn."""

import ast

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from scenes import DETECTION, SEGMENTATION, SMALL, detection, segmentation
from tool import RETRAIN, call

from ppnas_mm.config.load import load_config
from ppnas_mm.inference.demo import dataset_meta

CLASSIFICATION = ['model.head.in_channels=128', *SMALL[:2]]
SHAPE = (120, 200)


@pytest.fixture
def image(tmp_path):
    """A grey picture that is not square."""
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), np.full((*SHAPE, 3), 100, np.uint8))
    return path


def demo(image, config, options, bias, *more):
    """Save an untrained model whose named biases are set; run the demo; return the picture."""
    loaded = load_config(config)
    pairs = dict(option.split('=', 1) for option in options)
    values = {
        k: None if v == 'None' else ast.literal_eval(v)
        for k, v in pairs.items()
        if k.startswith('model')
    }
    loaded.merge_from_dict(values)
    with DefaultScope.overwrite_default_scope(loaded.default_scope):
        given = {'data_preprocessor': loaded.get('data_preprocessor'), **loaded.model}
        model = MODELS.build({k: v for k, v in given.items() if v is not None})
    model.init_weights()
    for name, value in bias.items():
        parameter = model.get_parameter(name)
        parameter.data = torch.as_tensor(value).expand_as(parameter).clone()
    weights, out = image.parent / 'weights.pth', image.parent / 'out.png'
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, weights)
    model_options = [o for o in options if o.startswith('model')]
    arguments = (image, config, weights, '--out', out, '--cfg-options', *model_options, *more)
    assert call('demo.py', *arguments) == 0
    return cv2.imread(str(out))


def test_masks_are_drawn_in_the_palettes_colour(image, tmp_path, capsys):
    bias = {'decode_head.conv_seg.bias': [0.0] * 4 + [50.0] + [0.0] * 6}
    picture = demo(image, SEGMENTATION, segmentation(tmp_path), bias)
    assert 'pixels: 3 100%' in capsys.readouterr().out
    assert picture.shape[:2] == (SHAPE[0] * 3, SHAPE[1] * 3)
    colour = np.array(load_config(SEGMENTATION).val_dataloader.dataset.metainfo.palette[4])
    expected = 0.4 * 100 + 0.6 * colour[::-1]  # class '3' at an opacity of 0.6, BGR
    assert np.abs(picture - expected).max() <= 2


def test_the_class_is_named(image, capsys):
    picture = demo(image, RETRAIN, CLASSIFICATION, {'head.fc.bias': [0.0] * 7 + [50.0] + [0.0] * 2})
    assert '7 (1.00)' in capsys.readouterr().out
    assert (picture != 100).any()


def test_boxes_are_drawn_and_counted(image, tmp_path, capsys):
    high = {'bbox_head.retina_cls.bias': [9.0 if i % 10 == 4 else -9.0 for i in range(60)]}
    picture = demo(image, DETECTION, detection(tmp_path), high)
    assert (picture != 100).any()
    printed = capsys.readouterr().out
    assert 'boxes with a score of 0.3 or more: ' in printed and ' 4\n' in printed
    low = {'bbox_head.retina_cls.bias': [-9.0] * 60}
    assert (demo(image, DETECTION, detection(tmp_path), low) == 100).all()
    assert '0 boxes' in capsys.readouterr().out


def test_classes_of_the_test_set_are_known():
    assert dataset_meta(load_config(DETECTION))['classes'] == tuple('0123456789')
    assert dataset_meta(load_config(RETRAIN))['classes'] == tuple('0123456789')
