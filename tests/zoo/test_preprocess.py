"""``ppnas_mm.zoo.transform``: a plain formula, and the pipeline of the config."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from config_files import load
from entries import DIGITS, ENTRY
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from PIL import Image
from tool import ROOT

from ppnas_mm import zoo
from ppnas_mm.datasets import Digits
from ppnas_mm.inference.demo import ImageError
from ppnas_mm.weights import index as zoo_index
from ppnas_mm.zoo.preprocess import Transform

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (H, W, C) to whole numbers, pixels being squares."""
    out = image.astype(float)
    for axis, size in enumerate((height, width)):
        at = np.clip((np.arange(size) + 0.5) * out.shape[axis] / size - 0.5, 0, None)
        low = np.minimum(np.floor(at).astype(int), out.shape[axis] - 1)
        high = np.minimum(low + 1, out.shape[axis] - 1)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(3)])
        out = out.take(low, axis) * (1 - share) + out.take(high, axis) * share
    return out.round()


@pytest.fixture(scope='module')
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smooth picture in which red, green and blue differ."""
    y, x = np.mgrid[:300, :400]
    pixels = np.stack([x / 2, y / 2, 255 - x / 3], 2).astype(np.uint8)
    path = tmp_path_factory.mktemp('picture') / 'picture.png'
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope='module')
def imagenet() -> Transform:
    return Transform(load('classification/pp-resnet50_8xb128_in1k'))


def test_it_is_the_plain_formula(imagenet: Transform, picture: Path) -> None:
    """Short side 256, the middle 224 x 224, RGB, mean and std."""
    pixels = np.asarray(Image.open(picture))
    resized = bilinear(pixels, 256, 341)
    top, left = (256 - 224) // 2, round((341 - 224) / 2)
    crop = resized[top : top + 224, left : left + 224]
    expected = torch.from_numpy((crop - MEAN) / STD).permute(2, 0, 1).float()
    found = imagenet(picture)
    assert found.shape == (3, 224, 224) and found.dtype == torch.float32
    assert (found - expected).abs().max() <= 1.01 / min(STD)  # a step of 8 bits
    for given in (str(picture), pixels, Image.open(picture)):
        assert torch.equal(imagenet(given), found)


def test_it_is_the_pipeline_of_the_config(imagenet: Transform, picture: Path) -> None:
    config = load('classification/pp-resnet50_8xb128_in1k')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        steps = Compose(config.test_dataloader.dataset.pipeline)
    inputs = steps(dict(img_path=str(picture)))['inputs']  # (3, H, W), BGR
    expected = (inputs.flip(0).float() - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[
        :, None, None
    ]
    torch.testing.assert_close(imagenet(picture), expected, rtol=0, atol=1e-6)


def test_images_of_cifar_are_rgb() -> None:
    """Its config does not exchange the channels, because the data set holds RGB."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[..., 0] = 255
    found = zoo.transform('pp_resnet20.cifar10-20k')(pixels)
    values = zoo.entry('pp_resnet20.cifar10-20k').normalisation
    for channel, value in enumerate((255, 0, 0)):
        expected = (value - values['mean'][channel]) / values['std'][channel]
        assert found[channel].mean() == pytest.approx(expected, abs=1e-5)


@torch.no_grad()
def test_a_network_of_the_zoo_reads_a_digit() -> None:
    assert 'Digits (' in ENTRY['metric']['dataset']
    data, network, change = Digits('test'), zoo.load(DIGITS), zoo.transform(f'ppnas://{DIGITS}')
    chosen = [data.get_data_info(i) for i in range(40)]
    batch = torch.stack([change(info['img']) for info in chosen])
    found = network(batch, mode='tensor').argmax(1).tolist()
    assert sum(f == info['gt_label'] for f, info in zip(found, chosen, strict=True)) >= 38


WRONG: dict[str, Any] = {
    'floats': np.zeros((4, 4, 3)),
    'no pixels': np.zeros((0, 4, 3), np.uint8),
    'four channels': np.zeros((4, 4, 4), np.uint8),
    'a missing file': 'missing.png',
    'a number': 3,
}


@pytest.mark.parametrize('case', WRONG)
def test_what_is_no_image_is_refused(case: str, imagenet: Transform) -> None:
    with pytest.raises(ImageError, match='image'):
        imagenet(WRONG[case])


def test_a_file_that_is_no_image_is_refused(imagenet: Transform, tmp_path: Path) -> None:
    (tmp_path / 'x.png').write_bytes(b'x')
    with pytest.raises(ImageError, match=r'x\.png'):
        imagenet(tmp_path / 'x.png')
    assert cv2.imread(str(ROOT / 'docs/images/bccd_detections.jpg')) is not None
    assert imagenet(ROOT / 'docs/images/bccd_detections.jpg').shape == (3, 224, 224)


def test_a_detector_has_no_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = zoo_index.load_index()
    item = entries[DIGITS]
    changed = {**vars(item), 'config': 'configs/detection/retinanet_pp-resnet_digit-scenes.py'}
    monkeypatch.setattr('ppnas_mm.zoo.preprocess.entry', lambda name: type(item)(**changed))
    with pytest.raises(zoo.ZooError, match='no classifier'):
        zoo.transform(DIGITS)
