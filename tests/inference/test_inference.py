"""OpenMMLab's inference classes on configs of each library and on every model of the zoo.

All configs, at full size: ``tests/slow/test_inference_table.py``.
"""

from pathlib import Path
from typing import Any

import cv2
import mmpretrain
import numpy as np
import pytest
import torch
from entries import ENTRIES, NAMES, ON_DIGITS
from inference import CONFIGS, FOLDERS, TABLE, classify, infer, photo, write_images
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

import ppnas_mm
from ppnas_mm.datasets.digits import load_split
from ppnas_mm.registry import TRANSFORMS

SAMPLE = (
    'classification/pp-resnet20_digits',
    'classification/cdarts-net_cifar10-20k',
    'classification/senas-net_digits',
    'detection/retinanet_pp-resnet_bccd',
    'detection/gflv2_pp-resnet_digit-scenes',
    'segmentation/deeplabv3plus_pp-resnet_camvid',
    'segmentation/cdarts-b_digit-scenes',
)
VISUALIZERS = {
    'mmpretrain': 'UniversalVisualizer',
    'mmdet': 'DetLocalVisualizer',
    'mmseg': 'SegLocalVisualizer',
}


@pytest.fixture(autouse=True)
def _no_scope_is_left_over() -> Any:
    yield
    DefaultScope._instance_dict.clear()


@pytest.mark.parametrize('name', SAMPLE)
def test_a_config_infers(name: str, tmp_path: Path) -> None:
    infer(CONFIGS / f'{name}.py', tmp_path)


def test_the_table_has_every_config_of_a_network() -> None:
    assert {path.parent.name for path in TABLE} == set(FOLDERS)
    assert {f'{path.parent.name}/{path.stem}' for path in TABLE} >= set(SAMPLE)


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*/*.py')), ids=lambda path: path.stem)
def test_configs_have_their_librarys_visualizer_and_pipeline(path: Path) -> None:
    config: Any = Config.fromfile(str(path))
    assert config.visualizer.type.split('.')[-1] == VISUALIZERS[config.default_scope]
    assert config.visualizer.vis_backends
    if path.parent.name == 'segmentation':
        assert config.test_pipeline == config.test_dataloader.dataset.pipeline


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('scope', ['mmdet', None], ids=['after a detector', 'alone'])
def test_models_of_the_zoo_infer(name: str, scope: str | None, tmp_path: Path) -> None:
    if scope:
        init_default_scope(scope)
    model = ppnas_mm.zoo.load(name)
    classify(model, write_images(tmp_path), tmp_path / 'out')
    result = mmpretrain.inference_model(model, photo())
    assert result['pred_class'] in ENTRIES[name]['classes']


@pytest.mark.parametrize('name', ON_DIGITS)
def test_files_give_the_accuracy_of_the_table(name: str, tmp_path: Path) -> None:
    images, labels = load_split('test')
    files = [str(tmp_path / f'{i}.png') for i in range(len(images))]
    for file, image in zip(files, images, strict=True):  # 8 x 8, grey
        cv2.imwrite(file, image)
    results = mmpretrain.ImageClassificationInferencer(name, device='cpu')(files, batch_size=90)
    right = np.mean([int(r['pred_class']) for r in results] == labels)
    assert round(100 * right, 2) == ENTRIES[name]['metric']['value']


def test_files_are_seen_in_the_colours_of_training(tmp_path: Path) -> None:
    """CIFAR's images are RGB in memory, files are read as BGR."""
    rgb = cv2.resize(photo()[..., ::-1], (32, 32))
    cv2.imwrite(str(tmp_path / 'image.png'), rgb[..., ::-1])
    model = ppnas_mm.zoo.load('pp_resnet20.cifar10-20k')
    data = {'inputs': torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None]}
    with torch.no_grad():
        expected = model(model.data_preprocessor(data)['inputs']).softmax(1)[0]
    inferencer = mmpretrain.ImageClassificationInferencer(model)
    found = inferencer(str(tmp_path / 'image.png'))[0]['pred_scores']
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    swapped = inferencer(rgb)[0]['pred_scores']  # an array is BGR, as everywhere in OpenMMLab
    assert np.abs(swapped - found).max() > 1e-3
    own = dict(img=rgb.copy())  # the data set's own image stays
    assert (TRANSFORMS.build(dict(type='RGBFromFile'))(own)['img'] == rgb).all()


def test_test_pipelines_leave_the_images_of_their_data_sets_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for path in sorted(CONFIGS.glob('classification/*.py')):
        config: Any = Config.fromfile(str(path))
        kind = config.test_dataloader.dataset.type
        size = 16 if 'Digits' in kind else 32
        if ('CIFAR' not in kind and 'Digits' not in kind) or ('20k' in path.stem and size == 32):
            continue  # from files, or made smaller
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            steps = [TRANSFORMS.build(s) for s in config.test_dataloader.dataset.pipeline]
        own = image[:size, :size]
        results: Any = dict(img=own.copy(), gt_label=3)
        for step in steps:
            results = step(results)
        assert (results['inputs'].permute(1, 2, 0).numpy() == own).all(), path
