"""EoiNAS in segmentors and detectors: recipes field by field, sizes, a whole small search."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from config_files import CONFIGS, MOST_LEVELS, chains, learning_rates, load, scope
from mmengine.registry import DATASETS
from photographs import leaves, write
from scenes import segmentation_data
from tool import call

from ppnas_mm.backbones.darts import CellBlock
from ppnas_mm.config.keys import KEYS
from ppnas_mm.datasets.digit_scenes import write_scenes
from ppnas_mm.genotype import Genotype
from ppnas_mm.registry import MODELS

SEARCHES = ('search/eoinas_cityscapes', 'search/eoinas_digit-scenes')
SMALL = 'segmentation/deeplabv3plus_{}_digit-scenes'
GN = dict(type='GN', num_groups=8)


def built(name: str) -> Any:
    """The model of a config, without memory."""
    config = load(name)
    with scope(config), torch.device('meta'):
        return MODELS.build(config.model)


def steps_of(loader: Any) -> dict[str, Any]:
    return {step.type: step for step in loader.dataset.pipeline}


# -- retraining (Section V-C; Table V) -------------------------------------------------------------


def test_retraining_on_cityscapes_is_the_papers() -> None:
    """Section V-C; channels, norms, decoder and decay are the authors' code."""
    config = load('segmentation/deeplabv3plus_eoinas_cityscapes')
    backbone, head, loader = (
        config.model.backbone,
        config.model.decode_head,
        config.train_dataloader,
    )
    assert (backbone.arch, backbone.variant) == ('eoinas_cityscapes', 'segmentation')
    assert (backbone.num_cells, backbone.init_channels) == (10, 48)
    assert backbone.norm_cfg == head.norm_cfg == GN
    assert (head.dilations, head.channels, head.c1_channels) == ((1, 6, 12, 18), 256, 48)
    assert (head.num_classes, head.dropout_ratio, head.align_corners) == (19, 0.1, True)
    assert config.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.007, momentum=0.9, weight_decay=5e-4
    )
    assert steps_of(loader)['RandomCrop'].crop_size == (769, 769)
    assert config.model.data_preprocessor.size == (769, 769)
    assert loader.batch_size == config.auto_scale_lr.base_batch_size == 4
    # 90k iterations of the 2975 images of the training set
    assert loader.drop_last
    assert abs(config.train_cfg.max_epochs * (2975 // 4) - 90_000) < 2975 // 8


def test_the_rate_is_poly_from_its_start() -> None:
    config, length = load('segmentation/deeplabv3plus_eoinas_cityscapes'), 3
    total = config.train_cfg.max_epochs * length
    expected = [0.007 * (1 - i / (total - 1)) ** 0.9 for i in range(total)]
    assert learning_rates(config, length) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_decoder_has_the_authors_parameters() -> None:
    """Pyramid of 1x1, three 3x3 and the image's mean, fused by 1x1; 48 low channels; two 3x3."""
    head = built('segmentation/deeplabv3plus_eoinas_cityscapes').decode_head
    wide, deep, low = 256, 768, 192
    pyramid = 2 * deep * wide + 3 * 9 * deep * wide + 5 * wide * wide + 6 * 2 * wide
    decoder = low * 48 + 2 * 48 + 9 * (48 + wide) * wide + 9 * wide * wide + 2 * 2 * wide
    classes = wide * 19 + 19
    assert sum(p.numel() for p in head.parameters()) == pyramid + decoder + classes


def test_the_fixed_cell_stands_in_the_same_network() -> None:
    searched, fixed = (load(SMALL.format(name)) for name in ('eoinas', 'darts-v2'))
    archs = [config.model.backbone.pop('arch') for config in (searched, fixed)]
    assert archs == ['eoinas_cityscapes', 'darts_v2']
    assert searched.to_dict() == fixed.to_dict()


def test_detector_has_the_network_of_imagenet() -> None:
    config = load('detection/retinanet_eoinas_coco')
    cdarts = load('detection/retinanet_cdarts-a_coco')
    backbone, network = (
        config.model.pop('backbone'),
        load('classification/eoinas_1xb128_in1k').model,
    )
    for key in ('arch', 'variant', 'num_cells', 'init_channels'):
        assert backbone[key] == network.backbone[key]
    assert config.model.neck.pop('in_channels') == [48, 192, 384, 768]
    # all else is that of CDARTS' detectors
    del cdarts.model['backbone'], cdarts.model.neck['in_channels']
    assert config.to_dict() == cdarts.to_dict()


# -- search (Section V-B) --------------------------------------------------------------------------


@pytest.mark.parametrize('name', SEARCHES)
def test_search_configs_keep_to_the_rules(name: str) -> None:
    config = load(name)
    for chain in chains(CONFIGS / f'{name}.py'):
        assert len(chain) <= MOST_LEVELS
    assert set(config) <= KEYS
    inner = built(name).model
    head = config.model.model.decode_head
    assert head.in_channels == inner.backbone.out_channels[head.in_index]
    assert [info['reduction'] for info in inner.backbone.feature_info] == [4, 8, 16]
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        for dataset in leaves(loader.dataset):
            kind = DATASETS.get(f'mmseg.{dataset.type}')
            assert len(dataset.get('metainfo', kind.METAINFO)['classes']) == head.num_classes
    kinds = {hook.type.split('.')[-1] for hook in config.default_hooks.values()}
    assert kinds >= {'EpochSeedHook', 'DataCheckHook', 'SearchHook'}


def test_search_on_cityscapes_is_the_papers() -> None:
    """Section V-B and Table IV; width, resize and batch are the authors' code."""
    config = load('search/eoinas_cityscapes')
    search, loader = config.model, config.train_dataloader
    backbone, head = search.model.backbone, search.model.decode_head
    assert (backbone.variant, backbone.num_cells, backbone.init_channels) == (
        'segmentation',
        10,
        40,
    )
    assert (backbone.combine, backbone.pool_norm) == ('sum', True)
    assert (head.type, head.dilations, head.channels) == ('ASPPHead', (1, 6), 640)
    steps = steps_of(loader)
    assert min(steps['Resize'].scale) == 512 and steps['RandomCrop'].crop_size == (320, 320)
    weights, arch = config.optim_wrapper.weights, config.optim_wrapper.arch
    assert weights == dict(optimizer=dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=3e-4))
    assert arch.optimizer == dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    (cosine,) = config.param_scheduler.weights
    assert (cosine.eta_min, config.param_scheduler.arch) == (1e-3, [])
    assert config.train_cfg.max_epochs == 160
    # Table IV: 3 normal cells, a reduction, 3, a reduction, 2; 1/3 and 2/3 of ten cells, rounded
    places = [m.kind == 'reduction' for m in built('search/eoinas_cityscapes').modules()
              if isinstance(m, CellBlock)]  # fmt: skip
    assert [i for i, reduces in enumerate(places) if reduces] == [3, 7]
    retraining = built('segmentation/deeplabv3plus_eoinas_cityscapes').backbone
    cells = [m.kind == 'reduction' for m in retraining.modules() if isinstance(m, CellBlock)]
    assert cells == places and len(cells) == 10


@pytest.mark.parametrize('name', SEARCHES)
def test_seven_prunings_end_with_the_search(name: str) -> None:
    """After 40, 60, ..., 160 of 160 epochs, 20 of warm-up; small searches have a share of each."""
    config = load(name)
    epochs, search = config.train_cfg.max_epochs, config.model
    scale = epochs / 160
    assert not search.slimming and 'warmup_epochs' not in search
    model = built(name)
    model.attach({}, epochs)
    assert model.warmup_epochs == 20 * scale
    times = [e / scale for e in range(1, epochs + 1) if model.plan.due(e)]
    assert times == [40, 60, 80, 100, 120, 140, 160]
    alive = {len(model.super_net.alive_candidates(choice.name)) for choice in model.table.choices}
    assert alive == {len(times) + 1}
    assert (model.temperature(1), model.temperature.epochs) == (5.0, epochs)
    assert model.temperature(epochs) == pytest.approx(0.0353, rel=0.01)


def data_of(name: str, folder: Path) -> list[str]:
    """Write small data for a search; return the options that point it there."""
    if 'digit-scenes' in name:
        write_scenes(folder, {'train': 4, 'test': 2})
        return segmentation_data(folder)
    config = load(name)
    with scope(config):
        for loader in (config.train_dataloader, config.val_dataloader):
            loader.dataset.data_root = str(folder)
            write(loader.dataset)
    keys = ('num_workers=0', f'dataset.data_root={folder}')
    return [f'{part}_dataloader.{key}' for part in ('train', 'val') for key in keys]


@pytest.mark.parametrize('name', SEARCHES)
def test_searches_derives_and_trains_on(name: str, tmp_path: Path) -> None:
    work, common = tmp_path / 'work', data_of(name, tmp_path / 'data')
    options = [
        *common,
        'model.model.backbone.num_cells=3',
        'model.model.backbone.init_channels=4',
        'model.model.backbone.ops=[none,skip_connect,sep_conv_3x3]',
        'model.model.decode_head.in_channels=64',
        'model.model.decode_head.channels=8',
        'train_dataloader.batch_size=2',
        'train_cfg.max_epochs=3',
        'train_cfg.val_interval=3',
        'default_hooks.search.recalibrate_batches=1',
    ]
    path = CONFIGS / f'{name}.py'
    assert call('search.py', path, '--work-dir', work, '--cfg-options', *options) == 0
    record = json.loads((work / 'search.json').read_text())
    result, last = record['result'], record['epochs'][-1]['architecture']
    assert last and all(sorted(shares) == [0, 0, 1] for shares in last.values())
    assert result['derived']['metrics'].keys() == result['super_net']['metrics'].keys() >= {'mIoU'}
    genotype = Genotype.load(work / 'genotype.json')
    assert genotype.provenance['status'] == 'derived'
    if 'digit-scenes' not in name:
        return
    retrain, again = CONFIGS / f'{SMALL.format("eoinas")}.py', tmp_path / 'again'
    small = ['model.backbone.num_cells=3', 'train_cfg.max_epochs=1']
    small.append('train_dataloader.batch_size=2')
    assert call(
        'train.py', retrain, '--work-dir', again, '--genotype', work / 'genotype.json',
        '--cfg-options', *common, *small,
    ) == 0  # fmt: skip
    assert json.loads((again / 'result.json').read_text())['genotype'] == genotype.hash
