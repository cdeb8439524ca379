"""The best of random architectures by a score that needs no training."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from torch import Tensor

from ..spaces.mixture import ArchPath, Fixed
from ..utils.progress import tracked
from ..utils.registries import MODELS
from .proxies import naswot, synflow
from .untrained import UntrainedSearch, draw_within, is_free

SCORES = ('params', 'flops', 'naswot', 'synflow', 'random')


@MODELS.register_module()
class ZeroCostSearch(UntrainedSearch):
    """Draw architectures and keep the one with the highest (or lowest) score.

    A baseline for every other search: it costs seconds.

    Args:
        model: Config of the wrapped model; its backbone is a super-net.
        score: ``'params'`` or ``'flops'`` (of the whole model), or of the untrained backbone
            ``'naswot'`` (:func:`naswot`) or ``'synflow'`` (:func:`synflow`); ``'random'``: none,
            the first draw is kept.
        draws: Number of random architectures.
        largest: Whether to keep the highest score.
        operations: ``'authors'`` or ``'free'``, see :class:`RandomSearch`; in ``ppconv`` all of the
            authors' draws have the same parameters and multiply-adds.
        images: Number of training images for ``'naswot'``.
        input_shape: Of one image, ``(C, H, W)``; for ``'flops'`` and ``'synflow'``.
        limits, seed, **kwargs: See :class:`UntrainedSearch`.

    Raises:
        ConstraintError: If none of 10,000 draws is within the limits.
        ValueError: If an option is unknown or out of range, or ``input_shape`` is missing.
    """

    def __init__(
        self,
        model: dict,
        score: str = 'naswot',
        draws: int = 150,
        largest: bool = True,
        operations: str = 'authors',
        images: int = 64,
        input_shape: tuple[int, int, int] | None = None,
        limits: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if score not in SCORES or draws < 1 or images < 2:
            raise ValueError(
                f'score={score!r}, draws={draws}, images={images}: expected one of {SCORES}, 1 or '
                'more, 2 or more'
            )
        if score in ('flops', 'synflow') and input_shape is None:
            raise ValueError(f'score={score!r} needs input_shape=(channels, height, width)')
        self.free = is_free(operations)
        given = dict(limits or {})
        if score == 'flops':
            given.setdefault('input_shape', input_shape)
        super().__init__(model, limits=given, **kwargs)
        self.score, self.number, self.largest, self.images = score, draws, largest, images
        self.input_shape = input_shape

    def choose(self) -> ArchPath:
        """Return the drawn architecture of highest score."""
        rng = np.random.default_rng(self.draws.next())
        net, limits = self.super_net, self.limits
        paths = [draw_within(net, rng, limits, free=self.free) for _ in range(self.number)]
        print_log(f'Scoring {len(paths)} untrained architectures by {self.score}', 'current')
        shown = tracked(paths, 'architectures') if is_main_process() else paths
        score = self._scorer()
        scores = [score(path) for path in shown]
        if self.score != 'random' and len(scores) > 1 and len(set(scores)) == 1:
            hint = '' if self.free else "; operations='free' draws others"
            print_log(
                f'all {len(scores)} have the score {scores[0]:g}, so the first is kept{hint}',
                'current',
                logging.WARNING,
            )
        best = int(np.argmax(scores) if self.largest else np.argmin(scores))
        print_log(f'Chosen: the score {scores[best]:g}', 'current')
        return paths[best]

    def _scorer(self) -> Callable[[ArchPath], float]:
        """Return the score of a path."""
        if self.score == 'random':
            return lambda path: 0.0
        if self.score == 'flops':
            return self.limits.tables['flops']
        if self.score == 'params':
            from ..costs.counting import params_table

            return params_table(self.model)
        images = self._images() if self.score == 'naswot' else None
        shape = tuple(self.input_shape or ())

        def score(path: ArchPath) -> float:
            net = self.super_net
            with net.using(Fixed(path)):
                return synflow(net, shape) if images is None else naswot(net, images)

        return score

    def _images(self) -> Tensor:
        """Return preprocessed training images; batch norms then use their statistics."""
        if self.loaders is None:
            raise TypeError(
                f'{type(self).__name__} scores by training images: '
                "train_cfg=dict(type='ppnas_mm.ChooseLoop')"
            )
        found: list[Tensor] = []
        for batch in self.loaders['train']:
            found.extend(self.data_preprocessor(batch, False)['inputs'])
            if len(found) >= self.images:
                break
        self.model.train()
        return torch.stack(found[: self.images])
