"""Searches inside detectors and segmentors: search, derive, train on (PP-NAS, Section V)."""

import json

import pytest
from scenes import DETECTION, SEGMENTATION, detection_data, segmentation_data
from tool import call

from ppnas_mm.config.load import load_config
from ppnas_mm.datasets.digit_scenes import write_scenes
from ppnas_mm.genotype import Genotype
from ppnas_mm.weights.checkpoint import load_checkpoint

WIDTH = ['backbone.base_channels=8', 'backbone.stem_channels=8']
IN_CHANNELS = {
    'mmdet': ['neck.in_channels=[64,128]'],
    'mmseg': ['decode_head.in_channels=128', 'decode_head.c1_in_channels=32'],
}


@pytest.mark.parametrize('path', [DETECTION, SEGMENTATION], ids=['det', 'seg'])
def test_searches_derives_and_trains_on(path, tmp_path):
    """For the blocks of the config's own PP-ResNet-20."""
    scope = load_config(path).default_scope
    data, work = tmp_path / 'data', tmp_path / 'work'
    write_scenes(data, {'train': 4, 'test': 2})
    common = {'mmdet': detection_data, 'mmseg': segmentation_data}[scope](data)
    common += ['train_dataloader.batch_size=2', 'val_dataloader.batch_size=2']
    small = [*WIDTH, *IN_CHANNELS[scope]]
    # after two steps every gate is near 0.5: a threshold below keeps all connections
    fast = ['model.threshold=0.4', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    options = [*common, *fast, *(f'model.model.{option}' for option in small)]
    given = ['--model', path, '--space', 'ppconv']
    assert call('search.py', *given, '--work-dir', work, '--cfg-options', *options) == 0
    result = json.loads((work / 'search.json').read_text())['result']
    assert result['derived']['metrics'].keys() == result['super_net']['metrics'].keys()
    assert result['derived']['parameters'] < result['super_net']['parameters']
    genotype = Genotype.load(work / 'genotype.json')
    weights = load_checkpoint(work / 'derived.safetensors')
    assert Genotype.from_json(weights['meta']['genotype']) == genotype

    again = [
        *common,
        *(f'model.{o}' for o in small),
        'model.backbone.init_cfg=None',
        'train_cfg.max_epochs=1',
    ]
    assert call(
        'train.py', path, '--work-dir', tmp_path / 'again', '--genotype', work / 'genotype.json',
        '--init-from', work / 'derived.safetensors', '--cfg-options', *again,
    ) == 0  # fmt: skip
    trained = json.loads((tmp_path / 'again/result.json').read_text())
    assert trained['genotype'] == genotype.hash
    assert trained['parameters'] == result['derived']['parameters']
