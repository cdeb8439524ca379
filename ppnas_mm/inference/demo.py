"""Runs a trained classifier, detector or segmentor on one image and draws the result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DATASETS, DefaultScope

from ..config.keys import ConfigError, type_name
from ..config.load import library
from ..config.model import build_model
from ..utils.files import write_atomic
from ..weights.checkpoint import load_weights

SMALLEST_SIDE = 300  # smaller images are drawn on at twice, three times ... their size


class ImageError(ValueError):
    """A file that cannot be read as an image."""


def read_image(path: str | Path) -> np.ndarray:
    """Return an image as (H, W, 3) uint8, BGR.

    Raises:
        ImageError: If the file is missing or not an image.
    """
    if not Path(path).is_file():
        raise ImageError(f'image {path}: no such file')
    content = np.fromfile(path, np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise ImageError(f'image {path}: cannot be read as an image')
    return image


def test_set(config: Any) -> Any:
    """Return the config of the test set, or of the first one inside a wrapper."""
    dataset = config.test_dataloader.dataset
    while 'dataset' in dataset or 'datasets' in dataset:
        dataset = dataset.get('dataset') or dataset.datasets[0]
    return dataset


def dataset_meta(config: Any) -> dict[str, Any]:
    """Return classes and palette of a config's test set, if config or class have them."""
    dataset = test_set(config)
    with DATASETS.switch_scope_and_registry(library(config)) as registry:
        kind = dataset.type if inspect.isclass(dataset.type) else registry.get(dataset.type)
    return {**getattr(kind, 'METAINFO', {}), **dataset.get('metainfo', {})}


def load_model(config: Any, checkpoint: str | Path, device: str, sha256: str | None = None) -> Any:
    """Build the model of a config with all weights of a checkpoint, for prediction.

    The file's ``sha256`` is checked if given.

    Raises:
        CheckpointError: If the checkpoint does not fit tensor by tensor.
    """
    model = build_model(config, device=device)
    load_weights(model, checkpoint, sha256)
    return model.eval()


def predict(model: Any, config: Any, path: str | Path) -> Any:
    """Return the data sample that a model predicts for one image file.

    The image goes through the config's test pipeline, without its annotations.
    """
    steps = [s for s in test_set(config).pipeline if type_name(s) != 'LoadAnnotations']
    if not any(type_name(step).startswith('LoadImage') for step in steps):
        steps.insert(0, dict(type='LoadImageFromFile'))
    data = Compose(steps)(dict(img_path=str(path), img_id=0))
    with torch.no_grad():
        return model.test_step(pseudo_collate([data]))[0]


def _boxes(image: np.ndarray, sample: Any, meta: dict[str, Any], threshold: float) -> np.ndarray:
    from mmdet.visualization import DetLocalVisualizer

    visualizer = DetLocalVisualizer()
    visualizer.dataset_meta = meta
    found = sample.pred_instances
    found.bboxes *= image.shape[0] / sample.ori_shape[0]
    sample.pred_instances = found[found.scores.argsort()]  # the surest are drawn on top
    visualizer.add_datasample('', image, sample, draw_gt=False, pred_score_thr=threshold)
    return visualizer.get_image()


def _masks(image: np.ndarray, sample: Any, meta: dict[str, Any], threshold: float) -> np.ndarray:
    from mmseg.visualization import SegLocalVisualizer

    labels = sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)
    size = (image.shape[1], image.shape[0])
    labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    sample.pred_sem_seg = type(sample.pred_sem_seg)(data=torch.from_numpy(labels)[None].long())
    visualizer = SegLocalVisualizer(alpha=0.6)
    visualizer.dataset_meta = meta
    visualizer.add_datasample('', image, sample, draw_gt=False, with_labels=False)
    return visualizer.get_image()


def _label(image: np.ndarray, sample: Any, meta: dict[str, Any], threshold: float) -> np.ndarray:
    from mmpretrain.visualization import UniversalVisualizer

    visualizer = UniversalVisualizer()
    return visualizer.visualize_cls(image, sample, classes=meta.get('classes'), draw_gt=False)


DRAW: dict[str, Callable[..., np.ndarray]] = {
    'mmdet': _boxes,
    'mmseg': _masks,
    'mmpretrain': _label,
}


def _words(sample: Any, meta: dict[str, Any], threshold: float) -> str:
    classes = meta.get('classes')

    def name(label: int) -> str:
        return str(classes[label]) if classes else f'class {label}'

    if 'pred_instances' in sample:
        found = sample.pred_instances
        kept = [int(i) for i in found.labels[found.scores >= threshold]]
        counts = ', '.join(f'{kept.count(i)} {name(i)}' for i in sorted(set(kept)))
        return f'{len(kept)} boxes with a score of {threshold} or more' + f': {counts}' * bool(kept)
    if 'pred_sem_seg' in sample:
        labels = sample.pred_sem_seg.data.flatten()
        share = torch.bincount(labels).double() / len(labels)
        parts = [f'{name(int(i))} {share[i]:.0%}' for i in share.argsort(descending=True)]
        return 'pixels: ' + ', '.join(parts[: int((share > 0).sum())])
    label = int(sample.pred_label[0])
    return f'{name(label)} ({float(sample.pred_score[label]):.2f})'


def run_demo(
    image: str | Path,
    config: Any,
    checkpoint: str | Path,
    out: str | Path,
    threshold: float = 0.3,
    device: str = 'cpu',
) -> str:
    """Predict for one image, draw the result on it and return it as text.

    Args:
        image: Image file.
        config: A loaded config of mmdet, mmseg or mmpretrain (see :func:`library`).
        checkpoint: ``.pth`` or ``.safetensors``.
        out: Picture to write, ``.png`` or ``.jpg``.
        threshold: Least score of a box to draw.
        device: torch device.

    Raises:
        ImageError: If the image cannot be read.
        CheckpointError: If the checkpoint does not fit.
        ConfigError: If the config belongs to another library, or ``out`` has another suffix.
    """
    scope = library(config)
    suffix = Path(out).suffix.lower()
    if suffix not in ('.png', '.jpg', '.jpeg'):
        raise ConfigError(f'--out {out}: expected a name that ends with .png or .jpg')
    pixels = read_image(image)
    with DefaultScope.overwrite_default_scope(scope):
        model = load_model(config, checkpoint, device)
        meta = dataset_meta(config)
        sample = predict(model, config, image).cpu()
        text = _words(sample, meta, threshold)
        factor = -(-SMALLEST_SIDE // min(pixels.shape[:2]))
        canvas = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        drawn = DRAW[scope](canvas[..., ::-1].copy(), sample, meta, threshold)
    write_atomic(out, cv2.imencode(suffix, drawn[..., ::-1])[1].tobytes())
    return text
