"""Configs that list four files: the table is whole, its parts fit, and users can build on it."""

import ast
from itertools import product
from pathlib import Path

import pytest
import torch
from config_files import CONFIGS, bases, load
from mmengine.config import Config

from ppnas_mm.registry import MODELS

BACKBONES = {
    'pp-resnet50': ('PPResNet', 'pp_resnet_imagenet'),
    'res2net50-vd': ('PPResNet', None),
    'resnet50-vd': ('PPResNet', None),
    'cdarts': ('DARTSNet', 'cdarts_imagenet'),
    'cdarts-a': ('ChainNet', 'cdarts_a'),
    'cdarts-b': ('ChainNet', 'cdarts_b'),
    'eoinas': ('DARTSNet', 'eoinas_cifar10'),
    'mobilenas': ('MobileNASNet', 'proxylessnas_gpu'),
}
"""Backbones of the table, with their published architectures."""
DETECTORS = [
    (name, f'detection/{head}_{name}_{data}', f'{head}_', data)
    for head, name, data in product(('gflv2', 'retinanet'), BACKBONES, ('coco', 'voc0712'))
]
SEGMENTORS = [
    (name, f'segmentation/deeplabv3plus_{name}{stride}_{data}', 'deeplabv3plus_', data)
    for name, data in product(BACKBONES, ('voc12aug', 'cityscapes'))
    for stride in (('-d8', '-d16') if 'resnet50' in name or 'res2net50' in name else ('',))
]
OWN = 'segmentation/deeplabv3plus_eoinas_cityscapes'
"""A published network of its own: EoiNAS' for Cityscapes."""
TABLE = [row for row in (*DETECTORS, *SEGMENTORS) if row[1] != OWN]
PARTS = sorted(CONFIGS.glob('_base_/backbones/*.py'))


def statements(path: Path) -> list[str]:
    """The statements of a config."""
    return [ast.unparse(node) for node in ast.parse(path.read_text()).body]


def test_the_table_is_whole() -> None:
    assert len(DETECTORS) == 32 and len(SEGMENTORS) == 2 * (5 + 3 * 2)
    assert all((CONFIGS / f'{name}.py').is_file() for _, name, *_ in (*DETECTORS, *SEGMENTORS))
    names = [path.stem for path in CONFIGS.glob('*/*.py')]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(('backbone', 'name', 'head', 'data'), TABLE, ids=[t[1] for t in TABLE])
def test_a_config_of_the_table_is_a_list_of_four(
    backbone: str, name: str, head: str, data: str
) -> None:
    path = CONFIGS / f'{name}.py'
    four = [base.relative_to(CONFIGS / '_base_') for base in bases(path)]
    assert [base.parent.name for base in four] == ['backbones', 'heads', 'datasets', 'schedules']
    assert four[0].stem.removesuffix('-d8').removesuffix('-d16') == backbone
    assert f'{four[1].stem}_'.startswith(head) and four[2].stem.startswith(data)
    assert len(statements(path)) == 2
    found = load(name).model.backbone
    assert (found.type.removeprefix('ppnas_mm.'), found.arch) == BACKBONES[backbone]


@pytest.mark.parametrize('path', PARTS, ids=[path.stem for path in PARTS])
def test_channels_of_a_backbone_are_those_of_what_is_built(path: Path) -> None:
    config = Config.fromfile(path)
    assert set(config) == {'network'} and config.network
    assert set(config.network) <= {'classifier', 'detector', 'segmentor'}
    for kind, part in config.network.items():
        with torch.device('meta'):
            channels = MODELS.build(part.backbone).out_channels
        if kind == 'detector':
            assert part.neck.in_channels == channels
        elif kind == 'classifier':
            assert part.head.in_channels == channels[-1]
        else:
            assert part.decode_head.in_channels == channels[-1]
            assert part.decode_head.c1_in_channels == channels[0]


def test_a_users_config_on_top_changes_the_backbone(tmp_path: Path) -> None:
    mine = tmp_path / 'mine.py'
    mine.write_text(
        f"_base_ = '{CONFIGS}/detection/gflv2_pp-resnet50_coco.py'\n"
        "model = dict(backbone=dict(arch='pp_resnet_imagenet_g2', frozen_stages=1))\n"
    )
    found, base = load(str(mine.with_suffix(''))), load('detection/gflv2_pp-resnet50_coco')
    assert found.model.backbone.pop('arch') == 'pp_resnet_imagenet_g2'
    assert found.model.backbone.pop('frozen_stages') == 1
    del base.model.backbone['arch'], base.model.backbone['frozen_stages']
    assert found.to_dict() == base.to_dict()


def test_a_users_config_lists_four_of_its_own_and_ours(tmp_path: Path) -> None:
    (tmp_path / 'backbone.py').write_text(
        "network = dict(detector=dict(backbone=dict(type='ppnas_mm.ChainNet', arch='cdarts_b_4'), "
        'neck=dict(in_channels=[24, 40, 96, 960])))\n'
    )
    ours = [f'{CONFIGS}/_base_/{name}.py' for name in ('heads/gflv2', 'datasets/coco_896')]
    four = ['backbone.py', *ours, f'{CONFIGS}/_base_/schedules/detection_24e.py']
    (tmp_path / 'mine.py').write_text(f"_base_ = {four}\nmodel = _base_.pop('network').detector\n")
    found, base = load(str(tmp_path / 'mine')), load('detection/gflv2_cdarts-b_coco')
    assert found.model.backbone.arch == 'cdarts_b_4'
    base.model.backbone.arch = 'cdarts_b_4'
    for key in ('out_indices', 'frozen_stages', 'norm_eval'):
        assert found.model.backbone[key] == base.model.backbone[key]
    assert found.to_dict() == base.to_dict()


@pytest.mark.parametrize('name', ['detection/gflv2_cdarts_coco', 'search/ppnas_digits'])
def test_options_and_dumps(name: str, tmp_path: Path) -> None:
    """An option reaches what was composed; a dump holds all of it, and needs no other file."""
    key = 'model.model.backbone' if name.startswith('search') else 'model.backbone'
    config = load(name, {f'{key}.norm_cfg': dict(type='GN', num_groups=4)})
    backbone = config.model.get('model', config.model).backbone
    assert backbone.norm_cfg.num_groups == 4
    config.dump(tmp_path / 'dump.py')
    again = Config.fromfile(tmp_path / 'dump.py')
    assert again.to_dict() == config.to_dict()
