"""Bilevel search: an epoch loop over two disjoint halves of the training set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.dist import broadcast, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from ..registry import LOOPS, MODEL_WRAPPERS


@LOOPS.register_module()
class SearchLoop(EpochBasedTrainLoop):
    """Epochs over the batches that the algorithm asks for: ``train``, ``val`` or both.

    Example:
        >>> train_cfg = dict(type='ppnas_mm.SearchLoop', max_epochs=50)

    The training set is cut into two class-balanced halves (:func:`ppnas_mm.datasets.half.Half`),
    ``train`` for the network's weights and ``val`` for the architecture.  The algorithm's
    attribute ``uses`` names the halves of this epoch; its ``train_step`` gets a dict with a batch
    of each.  An epoch has as many steps as the half with fewer batches.

    Args:
        runner: The runner.
        dataloader: Config of the training data.
        max_epochs: Number of epochs.
        fraction: Share of the training set that is used (ImageNet: 0.2 are 10 % + 10 %).
        split_seed: Seed of the cut into halves.
        arch_dataloader: Config of a loader for ``val``; then ``dataloader`` is taken whole.
        **kwargs: See mmengine's ``EpochBasedTrainLoop``.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: dict,
        max_epochs: int,
        fraction: float = 1.0,
        split_seed: int = 0,
        arch_dataloader: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if arch_dataloader is None:
            dataloader, arch_dataloader = (
                {
                    **dataloader,
                    'dataset': dict(
                        type='ppnas_mm.Half',
                        dataset=dataloader['dataset'],
                        half=half,
                        fraction=fraction,
                        seed=split_seed,
                    ),
                }
                for half in ('train', 'val')
            )
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        second = runner.build_dataloader(arch_dataloader, seed=runner.seed)
        self.loaders = {'train': self.dataloader, 'val': second}
        self.steps = min(map(len, self.loaders.values()))
        self._max_iters = self._max_epochs * self.steps

    def _batches(self) -> Iterator[dict[str, Any]]:
        model: Any = self.runner.model
        algorithm = model.module if is_model_wrapper(model) else model
        uses = algorithm.uses
        loaders = [self.loaders[part] for part in uses]
        for _, *batches in zip(range(self.steps), *loaders, strict=False):
            yield dict(zip(uses, batches, strict=True))

    def run_epoch(self) -> None:
        """Iterate one epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for index, batch in enumerate(self._batches()):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@MODEL_WRAPPERS.register_module()
class Replicas(nn.Module):
    """One copy of the model a process, equal at the start; the algorithm averages gradients.

    Stands in for DDP where a step has several backward passes over parts of the model.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        if get_world_size() > 1:
            for value in module.state_dict().values():
                broadcast(value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: Any) -> Any:
        """Train as the model does."""
        module: Any = self.module
        return module.train_step(data, optim_wrapper)

    def val_step(self, data: Any) -> Any:
        """Predict as the model does."""
        module: Any = self.module
        return module.val_step(data)

    def test_step(self, data: Any) -> Any:
        """Predict as the model does."""
        module: Any = self.module
        return module.test_step(data)
