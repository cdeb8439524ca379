"""Configs whose ``type`` is a class go through every tool."""

import json

import cv2
import numpy as np
import pytest
from pure_python import write_pure_python
from scenes import DETECTION, SEGMENTATION, detection, segmentation
from tool import DIGITS, RETRAIN, TINY, TINY_TRAIN, call

from ppnas_mm.config.load import library, load_config
from ppnas_mm.datasets.digit_scenes import write_scenes


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pure')
    config = write_pure_python(RETRAIN, folder / 'mine.py')
    assert isinstance(load_config(config).model.type, type)
    assert library(load_config(config)) == 'mmpretrain'
    run = ['train.py', config, '--work-dir', folder / 'run', '--cfg-options', *TINY_TRAIN]
    assert call(*run) == 0
    return config, folder / 'run' / 'epoch_1.pth'


@pytest.fixture(scope='module')
def digit_scenes(tmp_path_factory):
    out = tmp_path_factory.mktemp('scenes')
    write_scenes(out, {'train': 4, 'test': 2}, seed=1)
    return out


MODEL = [option for option in TINY_TRAIN if option.startswith('model')]


def test_train_and_test_agree(trained, tmp_path, capsys):
    config, weights = trained
    options = [*MODEL, 'test_dataloader.dataset.indices=40']
    assert call('test.py', config, weights, '--work-dir', tmp_path, '--cfg-options', *options) == 0
    shown = capsys.readouterr().out.strip().splitlines()[-1]
    result = json.loads((weights.parent / 'result.json').read_text())
    assert shown == f'accuracy/top1: {result["metrics"]["accuracy/top1"]:.2f}'


@pytest.mark.parametrize('tool', ['demo', 'export', 'publish', 'convert', 'resume'])
def test_other_tools(trained, tmp_path, tool):
    config, weights = trained
    image = tmp_path / 'image.png'
    cv2.imwrite(str(image), np.full((16, 16, 3), 100, np.uint8))
    out = tmp_path / 'out.png'
    options = ['--cfg-options', *MODEL]
    arguments = {
        'demo': ['demo.py', image, config, weights, '--out', out, *options],
        'export': [
            'export.py', config, weights, '--format', 'pt2', '--out', tmp_path / 'net.pt2',
            '--size', 16, 16, *options,
        ],
        'publish': [
            'publish.py', weights, '--name', 'mine.digits', '--config', config, '--no-test',
            '--out', tmp_path / 'zoo',
        ],
        'convert': [
            'convert.py', weights, tmp_path / 'net.safetensors', '--config', config,
            '--options', *MODEL,
        ],
        'resume': [
            'train.py', config, '--work-dir', weights.parent, '--resume', '--cfg-options',
            *TINY_TRAIN,
        ],
    }  # fmt: skip
    if tool == 'publish':  # takes no overrides of the model: they go into the config
        wide = tmp_path / 'small.py'
        changes = 'model["backbone"].update(base_channels=8, stem_channels=8)\n'
        wide.write_text(f'{config.read_text()}\n{changes}model["head"].update(in_channels=128)\n')
        arguments[tool][5] = wide
    assert call(*arguments[tool]) == 0


def test_search(tmp_path):
    config = write_pure_python(DIGITS, tmp_path / 'mine.py')
    run = ['search.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *TINY]
    assert call(*run) == 0
    plain = ['search.py', DIGITS, '--work-dir', tmp_path / 'plain', '--cfg-options', *TINY]
    assert call(*plain) == 0
    found = [json.loads((tmp_path / n / 'search.json').read_text()) for n in ('run', 'plain')]
    assert found[0]['result'] == found[1]['result']
    assert call('derive.py', tmp_path / 'run', '--out', tmp_path / 'again') in (0, 2)


@pytest.mark.parametrize(
    ('source', 'options', 'name'),
    [(DETECTION, detection, 'mmdet'), (SEGMENTATION, segmentation, 'mmseg')],
)
def test_detectors_and_segmentors(digit_scenes, tmp_path, source, options, name):
    config = write_pure_python(source, tmp_path / 'mine.py')
    assert library(load_config(config)) == name
    more = [*options(digit_scenes), 'train_cfg.max_epochs=1']
    run = ['train.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *more]
    assert call(*run) == 0
    image = next(digit_scenes.rglob('*.jpg'), None) or next(digit_scenes.rglob('*.png'))
    model = [option for option in more if option.startswith('model')]
    out = tmp_path / 'out.png'
    weights = tmp_path / 'run/epoch_1.pth'
    assert call('demo.py', image, config, weights, '--out', out, '--cfg-options', *model) == 0
    assert cv2.imread(str(out)) is not None
