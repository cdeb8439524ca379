"""The metrics of a model on a data loader."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.evaluator import Evaluator


@torch.no_grad()
def evaluate(model: Any, loader: Any, evaluator: Evaluator) -> dict[str, float]:
    """Return the metrics of a model on a data loader."""
    model.eval()
    for batch in loader:
        evaluator.process(data_samples=model.val_step(batch), data_batch=batch)
    return {k: float(v) for k, v in evaluator.evaluate(len(loader.dataset)).items()}
