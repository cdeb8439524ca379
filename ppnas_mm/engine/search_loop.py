"""Bilevel search: an epoch loop over two disjoint halves of the training set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from ..algorithms.bilevel import BilevelSearch
from ..algorithms.untrained import UntrainedSearch
from ..datasets.wrapped import with_pipeline
from ..utils.registries import LOOPS
from .replicas import Replicas
from .search_hook import SearchHook


@LOOPS.register_module()
class SearchLoop(EpochBasedTrainLoop):
    """Epochs over the batches that the algorithm needs: ``train``, ``val`` or both.

    Example:
        >>> train_cfg = dict(type='ppnas_mm.SearchLoop', max_epochs=50)

    The training set is split into two class-balanced halves (:func:`ppnas_mm.datasets.half.Half`),
    ``train`` for the network's weights and ``val`` for the architecture.  The algorithm's attribute
    ``uses`` names the halves of this epoch; its ``train_step`` gets a dict with a batch of each.
    An epoch has as many steps as ``train`` has batches; a shorter ``val`` starts again.

    Args:
        runner: The runner.
        dataloader: Config of the training data.
        max_epochs: Number of epochs.
        fraction: Fraction of the training set to use (ImageNet: 0.2, so 10 % + 10 %).
        split_seed: Seed of the split into halves.
        val_share: Fraction of the data used for the half ``val`` (SE-NAS on CIFAR: a tenth).
        val_pipeline: Pipeline of the half ``val``, e.g. without augmentation; ``None``: that of the
            training data.
        **kwargs: See mmengine's ``EpochBasedTrainLoop``.

    Raises:
        ValueError: If a half is smaller than a batch, the run does not suit a bilevel search, or a
            schedule of the algorithm does not end with the run.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: dict,
        max_epochs: int,
        fraction: float = 1.0,
        split_seed: int = 0,
        val_share: float = 0.5,
        val_pipeline: list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        halves = {
            half: dict(
                type='ppnas_mm.Half',
                dataset=dataloader['dataset'],
                half=half,
                fraction=fraction,
                seed=split_seed,
                val_share=val_share,
            )
            for half in ('train', 'val')
        }
        if val_pipeline is not None:
            halves['val']['dataset'] = with_pipeline(dataloader['dataset'], val_pipeline)
        super().__init__(runner, {**dataloader, 'dataset': halves['train']}, max_epochs, **kwargs)
        second = runner.build_dataloader({**dataloader, 'dataset': halves['val']}, seed=runner.seed)
        self.loaders = {'train': self.dataloader, 'val': second}
        for half, loader in self.loaders.items():
            if not len(loader):
                raise ValueError(f'the half {half!r} of the training data is smaller than a batch')
        if isinstance(self.algorithm, BilevelSearch):
            self.algorithm.attach(self.loaders, max_epochs)

    @property
    def algorithm(self) -> Any:
        """The search algorithm, without its wrapper."""
        model: Any = self.runner.model
        return model.module if is_model_wrapper(model) else model

    def check(self) -> None:
        """Reject configurations that would silently search something else."""
        model, name = self.runner.model, type(self.algorithm).__name__
        if not isinstance(self.algorithm, BilevelSearch):
            raise ValueError(f'{name} does not use two halves; remove train_cfg.type')
        if is_model_wrapper(model) and not isinstance(model, Replicas):
            raise ValueError(
                f"{name} with several processes: model_wrapper_cfg=dict(type='ppnas_mm.Replicas')"
            )
        parts: Any = self.runner.cfg.get('optim_wrapper') or {}
        for part in ('weights', 'evaluation'):
            counts = (parts.get(part) or {}).get('accumulative_counts', 1)
            if counts != 1:
                raise ValueError(
                    f'optim_wrapper.{part}.accumulative_counts={counts}: {name} updates weights '
                    'and alpha in turn, so it cannot accumulate gradients; set it to 1'
                )
        if self.algorithm.strict_rates:
            self._check_rates()

    def _check_rates(self) -> None:
        """Reject a cosine schedule that does not end with the run."""
        given: Any = self.runner.param_schedulers or {}
        for part, schedulers in given.items() if isinstance(given, dict) else [('', given)]:
            for scheduler in schedulers:
                if not hasattr(scheduler, 'T_max'):
                    continue
                end = scheduler.begin + scheduler.T_max
                epochs = end if scheduler.by_epoch else end / len(self.dataloader)
                if epochs != self.max_epochs:
                    key = f'param_scheduler.{part}'.rstrip('.')
                    raise ValueError(
                        f'{key}: T_max ends after {epochs:g} epochs, the run has {self.max_epochs} '
                        '(train_cfg.max_epochs); leave T_max out'
                    )

    def _batches(self) -> Iterator[dict[str, Any]]:
        uses = self.algorithm.uses
        loaders = [_endless(self.loaders[half]) for half in uses]
        for _ in range(len(self.dataloader)):
            yield {half: next(loader) for half, loader in zip(uses, loaders, strict=True)}

    def run(self) -> nn.Module:
        """Search, unless a resumed search has ended; add a :class:`SearchHook` if there is none."""
        self.check()
        if not any(isinstance(hook, SearchHook) for hook in self.runner.hooks):
            self.runner.register_hook(SearchHook())
        self.stop_training = self.algorithm.finished
        return super().run()

    def run_epoch(self) -> None:
        """Iterate one epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for index, batch in enumerate(self._batches()):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
        self.stop_training = self.algorithm.finished


@LOOPS.register_module()
class ChooseLoop(SearchLoop):
    """No epochs: for algorithms that choose without training, such as ``ZeroCostSearch``.

    Example:
        >>> train_cfg = dict(type='ppnas_mm.ChooseLoop')

    Args:
        runner, dataloader: See :class:`SearchLoop`.
        **kwargs: See :class:`SearchLoop`.

    Raises:
        ValueError: If the algorithm needs training.
    """

    def __init__(self, runner: Runner, dataloader: dict, **kwargs: Any) -> None:
        self._runner = runner
        self.check()  # before an algorithm that trains complains about no epochs
        super().__init__(runner, dataloader, max_epochs=0, **kwargs)

    def check(self) -> None:
        if not isinstance(self.algorithm, UntrainedSearch):
            raise ValueError(
                f'{type(self.algorithm).__name__} needs training: '
                "train_cfg=dict(type='ppnas_mm.SearchLoop', max_epochs=...)"
            )


def _endless(loader: DataLoader) -> Iterator[Any]:
    while True:
        yield from loader
