"""OpenMMLab's own inference classes on a config: each in all the ways that images can be given."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import mmdet.apis
import mmpretrain
import mmseg.apis
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from sklearn.datasets import load_sample_images
from tool import ROOT

CONFIGS = ROOT / 'configs'
FOLDERS = ('classification', 'detection', 'segmentation')
TABLE = [path for folder in FOLDERS for path in sorted((CONFIGS / folder).glob('*.py'))]


@cache
def photo() -> np.ndarray:
    """A photograph, (96, 128, 3), BGR."""
    return cv2.resize(load_sample_images().images[0][..., ::-1], (128, 96))


def write_images(folder: Path) -> list[str]:
    """A colour image without EXIF, a grey one, and one of another size."""
    files = [str(folder / name) for name in ('colour.jpg', 'grey.png', 'tall.png')]
    grey = cv2.cvtColor(photo(), cv2.COLOR_BGR2GRAY)
    for file, image in zip(files, (photo(), grey, photo()[:, :70]), strict=True):
        assert cv2.imwrite(file, image)
    return files


def write_weights(config: Path, folder: Path) -> str:
    """Random weights of a config, in a file as training writes it."""
    loaded: Any = Config.fromfile(str(config))
    with DefaultScope.overwrite_default_scope(loaded.default_scope):
        torch.manual_seed(0)
        state = MODELS.build(loaded.model).state_dict()
    known = loaded.train_dataloader.dataset.get('metainfo')
    meta = {'dataset_meta': dict(known)} if known else {}
    torch.save({'state_dict': state, 'meta': meta}, folder / 'weights.pth')
    return str(folder / 'weights.pth')


def _pictures(folder: Path, count: int) -> None:
    found = [path for path in folder.rglob('*') if path.suffix in ('.jpg', '.png')]
    assert len(found) >= count, found
    assert all(cv2.imread(str(path)) is not None for path in found)


def classify(model: Any, files: list[str], out: Path) -> None:
    """ImageClassificationInferencer, FeatureExtractor and inference_model on a classifier."""
    inferencer = mmpretrain.ImageClassificationInferencer(model, device='cpu')
    everything = [*files, photo()]
    results = inferencer(everything, batch_size=2, show_dir=str(out), show=False)
    assert len(results) == 4 and all(0 <= r['pred_score'] <= 1 for r in results)
    np.testing.assert_allclose(results[3]['pred_scores'].sum(), 1, rtol=1e-4)
    _pictures(out, 4)
    one = inferencer(photo())[0]
    np.testing.assert_allclose(one['pred_scores'], results[3]['pred_scores'], atol=1e-4)
    features = mmpretrain.FeatureExtractor(inferencer.model, device='cpu')(files)
    assert len(features) == 3 and all(f.isfinite().all() for f in features[0])
    alone = mmpretrain.inference_model(inferencer.model, files[0])
    np.testing.assert_allclose(alone['pred_scores'], results[0]['pred_scores'], atol=1e-4)


def classify_config(config: Path, files: list[str], out: Path) -> None:
    """The same by the path of a config, without weights."""
    classify(str(config), files, out)


def detect(config: Path, files: list[str], out: Path) -> None:
    """DetInferencer, init_detector and inference_detector."""
    weights = write_weights(config, out)
    inferencer = mmdet.apis.DetInferencer(str(config), weights, device='cpu', show_progress=False)
    found = inferencer(
        files, out_dir=str(out / 'pictures'), no_save_pred=False, pred_score_thr=0.0, show=False
    )
    assert len(found['predictions']) == len(list(out.rglob('*.json'))) == 3
    # mmdet cannot write the predictions of an array, for it has no name
    array = inferencer(photo(), out_dir=str(out / 'pictures'))['predictions'][0]
    _pictures(out / 'pictures', 4)
    detector = mmdet.apis.init_detector(str(config), weights, device='cpu')
    alone = mmdet.apis.inference_detector(detector, files[0])
    _same_boxes(alone, found['predictions'][0])
    _same_boxes(mmdet.apis.inference_detector(detector, [photo()])[0], array)


def _same_boxes(sample: Any, prediction: dict[str, Any]) -> None:
    boxes = np.array(prediction['bboxes']).reshape(-1, 4)
    np.testing.assert_allclose(sample.pred_instances.bboxes.numpy(), boxes, rtol=1e-4, atol=1e-3)


def segment(config: Path, files: list[str], out: Path) -> None:
    """MMSegInferencer, init_model and inference_model."""
    weights = write_weights(config, out)
    inferencer = mmseg.apis.MMSegInferencer(str(config), weights, device='cpu', show_progress=False)
    found = inferencer([*files, photo()], out_dir=str(out / 'pictures'))
    _pictures(out / 'pictures', 8)
    segmentor = mmseg.apis.init_model(str(config), weights, device='cpu')
    for given, expected in (
        (files[0], found['predictions'][0]),
        (photo(), found['predictions'][3]),
    ):
        alone = mmseg.apis.inference_model(segmentor, given).pred_sem_seg.data[0].numpy()
        assert alone.shape == (96, 128) and (alone == expected).mean() > 0.999
    assert len(mmseg.apis.inference_model(segmentor, [photo(), photo()])) == 2


INFERENCE: dict[str, Callable[[Path, list[str], Path], None]] = {
    'classification': classify_config,
    'detection': detect,
    'segmentation': segment,
}
"""By folder of the config."""


def infer(config: Path, folder: Path) -> None:
    """Run every inference class of a config's library."""
    (folder / 'out').mkdir(parents=True)
    INFERENCE[config.parent.name](config, write_images(folder), folder / 'out')
