"""One training run from a checked config, for ``tools/train.py`` and retraining."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import EpochBasedTrainLoop

from ..config.keys import ConfigError
from ..utils.files import checksum, write_json
from ..weights.checkpoint import load_weights
from .checkpoint import load_as_saved
from .evaluate import evaluate
from .runner import Runner
from .settings import settings_of


def check_retraining(algorithm: Any, config: Any, path: str) -> None:
    """Check, before a search, that a config can train its results.

    Args:
        algorithm: The search algorithm, possibly in a wrapper.
        config: The loaded config of the retraining.
        path: Path of the config, for the message.

    Raises:
        ConfigError: If the backbone has another space or shape.
    """
    inner = algorithm.module if is_model_wrapper(algorithm) else algorithm
    arch = inner.super_net.random_genotype(np.random.default_rng(0)).to_dict()
    scope = DefaultScope.overwrite_default_scope(config.get('default_scope'))
    with scope, torch.random.fork_rng(devices=[]), torch.device('meta'):
        try:
            MODELS.build({**config.model.backbone, 'arch': arch, 'init_cfg': None})
        except ValueError as error:
            raise ConfigError(
                f'--retrain {path}: its backbone does not match the search: {error}'
            ) from None


def require_batches(runner: Runner) -> None:
    """Check that an epoch has at least one batch, before its length is used.

    Raises:
        ConfigError: If there are fewer images than a batch.
    """
    loop: Any = runner.train_loop
    if isinstance(loop, EpochBasedTrainLoop) and not len(loop.dataloader):
        loader = loop.dataloader
        raise ConfigError(
            f'train_dataloader.batch_size={loader.batch_size}: the training set has only '
            f'{len(loader.dataset)} images, and drop_last=True drops them'
        )


def train(config: Any, init_from: str | None = None) -> dict[str, Any]:
    """Train, evaluate at the end, and write ``result.json`` into the work dir.

    Args:
        config: A loaded config with ``work_dir``.
        init_from: Weights to start from; every tensor of the model must be in the file.

    Returns:
        ``metrics``, ``parameters`` (of the whole model), ``genotype`` (hash or ``None``), ``seed``,
        ``settings`` (hash of the settings that affect the run).
    """
    runner = Runner.from_cfg(config)
    require_batches(runner)
    if init_from is not None:
        runner.model.init_weights()
        count = load_weights(runner.model, init_from)
        runner.logger.info(f'{init_from}: {count}/{count} tensors loaded')
    runner.train()
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    genotype = getattr(getattr(model, 'backbone', None), 'genotype', None)
    result: dict[str, Any] = dict(
        metrics={},
        parameters=sum(p.numel() for p in model.parameters()),
        genotype=genotype.hash if genotype else None,
        seed=runner.seed,
        epochs=runner.epoch,
        settings=checksum(settings_of(runner.cfg)),
    )
    if runner.val_loop is not None:
        load_as_saved(runner)
        loop: Any = runner.val_loop
        result['metrics'] = evaluate(model, loop.dataloader, loop.evaluator)
    if is_main_process():
        write_json(Path(config.work_dir) / 'result.json', result, allow_nan=True)
    return result
