"""Small searches by drawn operations, for the tests of GDAS and EoiNAS."""

from typing import Any

import torch
from tasks import classifier, classifier_batch

from ppnas_mm.registry import MODELS

NET = {'type': 'ppnas_mm.DARTSSuperNet', 'num_cells': 3, 'init_channels': 4, 'combine': 'sum'}


def build(name: str = 'EoiNAS', net: dict | None = None, seed: int = 0, **kwargs: Any) -> Any:
    """A small search that prunes after every epoch."""
    torch.manual_seed(seed)
    given: dict[str, Any] = {'slimming': {'begin': 1, 'interval': 1}, 'warmup_epochs': 0}
    given = (given if name == 'EoiNAS' else {}) | kwargs
    config = {'type': f'ppnas_mm.{name}', 'model': classifier(dict(net or NET)), **given}
    return MODELS.build(config).train()


def run_epochs(algorithm: Any, optimizers: Any, epochs: range, steps: int = 2) -> None:
    """Train, batches the same at each call."""
    for epoch in epochs:
        algorithm.before_epoch(epoch)
        for step in range(steps):
            seed = 100 * epoch + step
            halves = {
                h: classifier_batch(seed=seed + 50 * i) for i, h in enumerate(('train', 'val'))
            }
            algorithm.train_step({h: halves[h] for h in algorithm.uses}, optimizers)
        algorithm.after_epoch(epoch)
        optimizers.follow_model()
