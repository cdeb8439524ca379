"""What an entry of the zoo does with an image before its network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..weights.fetch import entry
from ..weights.index import ZooError, index_path
from .model import entry_config

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class Transform:
    """Maps one image to the tensor that a network takes: the test pipeline of its config.

    Args:
        config: A loaded config of a classifier.
    """

    def __init__(self, config: Any) -> None:
        from mmengine.dataset import Compose
        from mmengine.registry import MODELS, DefaultScope

        from ..config.keys import type_name
        from ..inference.demo import test_set

        steps = [s for s in test_set(config).pipeline if not type_name(s).startswith('Load')]
        settings = {'type': 'ClsDataPreprocessor', **(config.get('data_preprocessor') or {})}
        with DefaultScope.overwrite_default_scope(config.default_scope):
            self.steps = Compose(steps)
            self.preprocess = MODELS.build(settings)

    def __call__(self, image: str | Path | np.ndarray | Any) -> Tensor:
        """Return ``(3, H, W)``, resized, cropped and normalised.

        Args:
            image: A path, an image of PIL, or an array ``(H, W, 3)`` or ``(H, W)`` of uint8 in RGB.

        Raises:
            ImageError: If it cannot be read, or is no such array.
        """
        from mmengine.dataset import pseudo_collate

        pixels = _bgr(image)  # what a pipeline gets from a file
        size = pixels.shape[:2]
        data = self.steps(dict(img=pixels, img_shape=size, ori_shape=size))
        return self.preprocess(pseudo_collate([data]), training=False)['inputs'][0]


def _bgr(image: Any) -> np.ndarray:
    """Return an image as (H, W, 3) uint8, BGR."""
    import numpy as np

    from ..inference.demo import ImageError, read_image

    if isinstance(image, (str, Path)):
        return read_image(image)
    pixels = np.asarray(image.convert('RGB') if hasattr(image, 'convert') else image)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, 2)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ImageError(
            f'image: expected (H, W, 3) or (H, W) of uint8, got {pixels.shape} of {pixels.dtype}'
        )
    return np.ascontiguousarray(pixels[..., ::-1])


def transform(name: str) -> Transform:
    """Return what an entry does with an image: resize, crop, normalise.

    ``ppnas_mm.zoo.load(name)(ppnas_mm.zoo.transform(name)(path)[None], mode='tensor')`` are the
    logits of an image.

    Args:
        name: ``arch.tag``, with or without ``ppnas://``.

    Raises:
        ZooError: If there is no such entry, or it is no classifier.
    """
    from ..utils.compat import require

    item = entry(name)
    config = entry_config(item, index_path())
    require(config.get('default_scope') or 'ppnas_mm')
    if config.get('default_scope') != 'mmpretrain':
        raise ZooError(
            f'{item.name}: {item.config} is no classifier; its images depend on the task'
        )
    return Transform(config)
