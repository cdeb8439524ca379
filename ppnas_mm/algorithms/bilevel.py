"""Base of bilevel algorithms: weights learn on one half of the data, alpha on the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ..spaces.mixture import ArchPath
from .base import SearchAlgorithm
from .discretise import strongest


class BilevelSearch(SearchAlgorithm):
    """Base of algorithms whose ``train_step`` gets ``dict(train=batch, val=batch)``.

    They run in ``ppnas_mm.SearchLoop``.

    Attributes:
        uses: Halves of the data that this epoch needs.
        loaders: The loaders of the halves; ``None`` until a loop attaches them.
        epochs: Number of epochs of the loop; ``None`` until then.
        strict_rates: Whether a cosine schedule of the learning rates must end with the run.
    """

    uses: tuple[str, ...] = ('train', 'val')
    loaders: Mapping[str, Any] | None = None
    epochs: int | None = None
    strict_rates = False

    def attach(self, loaders: Mapping[str, Any], epochs: int) -> None:
        """Store the data loaders and the length of the search."""
        self.loaders, self.epochs = loaders, epochs

    def batches_evaluated(self, epoch: int, train: int, val: int) -> int:
        """Return the most batches that a process evaluates, without training, after an epoch.

        Args:
            epoch: The epoch (from 1).
            train, val: Numbers of batches of the halves.
        """
        return 0

    @property
    def finished(self) -> bool:
        """Whether the search has ended, possibly before its last epoch."""
        return False

    def decide(self, strict: bool) -> ArchPath:
        """Keep the strongest edges and operations (see :func:`strongest`)."""
        path = strongest(self.super_net)
        if strict:
            self.super_net.check(path)
        return path

    def half(self, data: Any, name: str) -> Any:
        """Return the preprocessed batch of a half.

        Raises:
            TypeError: If the run has no second half.
        """
        if not isinstance(data, Mapping) or name not in data:
            raise TypeError(
                f'{type(self).__name__} needs batches of two halves of the data: '
                "train_cfg=dict(type='ppnas_mm.SearchLoop', max_epochs=...)"
            )
        return self.data_preprocessor(data[name], True)

    def task_loss(self, data: Any, model: Any = None) -> Tensor:
        """Return the summed losses of the wrapped (or another) model on a preprocessed batch."""
        losses = (model or self.model)._run_forward(data, mode='loss')
        return self.parse_losses(losses)[0]


def owned_by(wrapper: Any) -> Iterator[nn.Parameter]:
    """Yield the parameters that an optimizer wrapper owns."""
    for group in wrapper.optimizer.param_groups:
        yield from group['params']


@contextmanager
def without_gradient(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Skip the gradients of parameters that the next step does not update."""
    frozen = [p for p in parameters if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
