"""The accuracy of a model on one batch, by what its own head says of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class BatchAccuracy:
    """Loss and accuracy of a whole mm-model on a preprocessed batch.

    Args:
        model: Classifier, detector or segmentor.
        kind: ``'head'``: what the model's head reports of a batch (mmpretrain's ``cal_acc``,
            mmseg's ``acc_seg``), where it does; ``'loss'``: 100 exp(-loss), which still tells
            models apart that, as on mostly empty label maps, all have the same accuracy.

    Raises:
        ValueError: If ``kind`` is another word.
    """

    def __init__(self, model: Any, kind: str = 'head') -> None:
        if kind not in ('head', 'loss'):
            raise ValueError(f"accuracy={kind!r}: expected 'head' or 'loss'")
        self.model, self.kind = model, kind
        head = getattr(model, 'head', None)
        if head is not None and hasattr(head, 'cal_acc'):
            head.cal_acc = True  # mmpretrain's heads say it only when asked to

    def __call__(self, data: Any) -> tuple[Tensor, Tensor]:
        """Return the loss, and the accuracy in per cent without gradient."""
        loss, logs = self.model.parse_losses(self.model._run_forward(data, mode='loss'))
        reported = [torch.as_tensor(v) for k, v in logs.items() if 'acc' in k]
        if not reported or self.kind == 'loss':
            return loss, 100 * loss.detach().neg().exp()
        return loss, reported[0].detach().mean()
