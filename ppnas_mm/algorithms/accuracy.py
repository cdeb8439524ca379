"""The accuracy of a model on one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class BatchAccuracy:
    """Loss and accuracy of an OpenMMLab model on a preprocessed batch.

    Args:
        model: Classifier, detector or segmentor.
        kind: ``'head'``: top-1 accuracy of a classifier, or the accuracy that another head reports
            for a batch (mmseg's ``acc_seg``); ``'loss'``: 100 exp(-loss), which still distinguishes
            models of equal accuracy, for example on mostly empty label maps.  If ``'head'`` finds
            neither (detectors, soft labels), ``'loss'`` is used.

    Raises:
        ValueError: If ``kind`` is unknown.
    """

    def __init__(self, model: Any, kind: str = 'head') -> None:
        if kind not in ('head', 'loss'):
            raise ValueError(f"accuracy={kind!r}: expected 'head' or 'loss'")
        self.model, self.kind = model, kind

    @property
    def words(self) -> str:
        """What it measures, for messages."""
        return '100 exp(-loss)' if self.kind == 'loss' else 'accuracy'

    def __call__(self, data: Any) -> tuple[Tensor, Tensor]:
        """Return the loss and the accuracy in per cent; the accuracy has no gradient."""
        with self._outputs() as outputs:
            loss, logs = self.model.parse_losses(self.model._run_forward(data, mode='loss'))
        found = None if self.kind == 'loss' else top_1(outputs, data)
        if found is not None:
            return loss, found
        reported = [torch.as_tensor(v) for k, v in logs.items() if 'acc' in k]
        if not reported or self.kind == 'loss':
            return loss, 100 * loss.detach().neg().exp()
        return loss, reported[0].detach().mean()

    def mean(self, batches: Iterable[Any]) -> Tensor:
        """Return the mean accuracy over batches that are not preprocessed yet, in per cent."""
        prepared = (self.model.data_preprocessor(batch, False) for batch in batches)
        return torch.stack([self(batch)[1].float() for batch in prepared]).mean()

    @contextmanager
    def _outputs(self) -> Iterator[list[Any]]:
        """Collect the outputs of a classifier's head."""
        head = getattr(self.model, 'head', None)
        found: list[Any] = []
        if not isinstance(head, torch.nn.Module):
            yield found
            return
        handle = head.register_forward_hook(lambda module, given, output: found.append(output))
        try:
            yield found
        finally:
            handle.remove()


def top_1(outputs: list[Any], data: Any) -> Tensor | None:
    """Return the accuracy in per cent of logits ``(N, classes)``; ``None`` without hard labels.

    mmpretrain's ``cal_acc`` does not count an image whose logits are all below 0.

    Args:
        outputs: Outputs of a head; only the last is used.
        data: The batch, with one ``gt_label`` for each image in ``data_samples``.
    """
    logits = outputs[-1] if outputs else None
    samples = data.get('data_samples') if isinstance(data, Mapping) else None
    if not isinstance(logits, Tensor) or logits.ndim != 2 or not samples:
        return None
    if any('gt_score' in sample or 'gt_label' not in sample for sample in samples):
        return None
    labels = torch.cat([sample.gt_label for sample in samples]).to(logits.device)
    if labels.shape != logits.shape[:1]:
        return None
    return 100 * (logits.detach().argmax(1) == labels).float().mean()
