"""Run the algorithm's actions between the epochs of a search and write the results."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from torch.nn.parallel import DistributedDataParallel

from ..algorithms.base import SearchAlgorithm
from ..config.keys import ConfigError
from ..layers.memory_layout import to_channels_last
from ..utils.distributed import average_buffers
from ..utils.registries import HOOKS
from .agreement import require_one_architecture
from .checkpoint import load_as_saved
from .conclude import conclude, genotype_now
from .final_round import FinalRound, check_final_round
from .optim import SearchOptimWrapper
from .search_record import SearchRecord


class NonFiniteLossError(FloatingPointError):
    """The loss became NaN or infinite."""


def summarise(algorithm: SearchAlgorithm) -> tuple[float, str]:
    """Return the share of decided candidates and a description of the architecture.

    If gates are learned, connections with a gate above 0.9 or below 0.1 are decided; otherwise
    operations with a weight above one half.
    """
    choices = algorithm.super_net.choices
    weights = algorithm.distribution()
    gates = [v for n, w in weights.items() if choices[n].gates for v in w]
    genotype = algorithm.derive(strict=False)
    words = []
    for cell in genotype.cells:
        edges = [edge for node in cell.nodes for edge in node]
        single = all(len(node) == 1 for node in cell.nodes)
        ops = [e.op if single else f'{e.op}({e.sources[0]})' for e in edges]
        words.append(f'{cell.name}: {" ".join(ops)}')
    text = ' | '.join(words)
    if gates:
        on, off = sum(v > 0.9 for v in gates), sum(v < 0.1 for v in gates)
        share = (on + off) / len(gates)
        return (
            share,
            f'{share:.0%} of {len(gates)} connections decided ({on} on, {off} off); {text}',
        )
    clear = [max(w) > 0.5 for w in weights.values()]
    share = sum(clear) / max(1, len(clear))
    return share, f'{share:.0%} of {len(clear)} operations above one half; {text}'


@HOOKS.register_module()
class SearchHook(Hook):
    """Runs ``after_epoch`` and writes genotype, picture, weights and record of a search.

    Args:
        recalibrate_batches: Number of training batches to recompute the derived network's
            batch-norm statistics; 0 keeps those of the super-net.
        channels_last: Whether to keep convolution weights channels-last: the same results up to
            rounding, in about three quarters of the time on a CPU.
        final_round: Arguments of :class:`FinalRound`: strong architectures are trained alone at the
            end, and the best is kept; ``None``: the search alone decides.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        recalibrate_batches: int = 0,
        channels_last: bool = True,
        final_round: dict | None = None,
    ) -> None:
        if type(recalibrate_batches) is not int or recalibrate_batches < 0:
            raise ConfigError(
                f'SearchHook: recalibrate_batches={recalibrate_batches!r}: expected 0 or more'
            )
        self.final_round = None if final_round is None else FinalRound(**final_round)
        self.recalibrate_batches = recalibrate_batches
        self.channels_last = channels_last
        self.values: dict[str, list[float]] = {}

    def before_train(self, runner: Any) -> None:
        """Start the record, or continue that of earlier epochs.

        Raises:
            ConfigError: If the config has two such hooks, or averages weights that are pruned.
        """
        if sum(isinstance(hook, SearchHook) for hook in runner.hooks) > 1:
            raise ConfigError(
                'two SearchHooks: keep only one, in default_hooks.search or custom_hooks'
            )
        self._start(runner)
        if self.algorithm.prunes and any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise ConfigError(
                f'EMAHook: {type(self.algorithm).__name__} prunes its super-net, and an average of '
                'its weights cannot follow; use EMAHook only to train the result'
            )
        if self.final_round:
            check_final_round(self.algorithm)
        if self.channels_last:
            to_channels_last(runner.model)
        if runner.epoch:
            self.record.resume(runner)
        if is_main_process():
            self.record.report()

    def _start(self, runner: Any) -> None:
        self.algorithm = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.record = SearchRecord(runner)

    def before_train_epoch(self, runner: Any) -> None:
        """Reset the losses and call the algorithm's ``before_epoch``."""
        self.values = {}
        self.algorithm.before_epoch(runner.epoch + 1)  # may say which parameters learn
        if isinstance(runner.model, DistributedDataParallel):
            # DDP rebuilds its buckets after its first step, which changes how sums are rounded;
            # each epoch starts like a resumed one, so that a resumed search repeats it exactly
            runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), self.algorithm)
            runner._maybe_compile('train_step')  # as the runner did with the old wrapper

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Collect losses and accuracies; stop at once if one is not finite."""
        for name, norm in getattr(runner.optim_wrapper, 'norms', {}).items():
            if norm is not None:  # clipping by value has no norm
                runner.message_hub.update_scalar(f'train/{name}', float(norm))
        for name, value in (outputs or {}).items():
            if 'loss' not in name and 'accuracy' not in name:
                continue
            number = float(value.detach()) if isinstance(value, torch.Tensor) else float(value)
            if not math.isfinite(number):
                raise NonFiniteLossError(
                    f'{name} is {number} at epoch {runner.epoch + 1}, iteration {batch_idx + 1}; '
                    f'the files of epoch {runner.epoch} in {self.record.folder} are intact; '
                    'lower the learning rate or clip gradients'
                )
            self.values.setdefault(name, []).append(number)

    def after_train_epoch(self, runner: Any) -> None:
        """Call the algorithm's ``after_epoch``; then write genotype and record of this epoch."""
        epoch = runner.epoch + 1
        # a checkpoint has the buffers of one process, so they must be equal in all
        average_buffers(self.algorithm)
        self.algorithm.after_epoch(epoch)
        if isinstance(runner.optim_wrapper, SearchOptimWrapper):
            runner.optim_wrapper.follow_model()
        require_one_architecture(self.algorithm.super_net, epoch)
        if not is_main_process():
            return
        share, words = summarise(self.algorithm)
        runner.logger.info(f'Architecture after epoch {epoch}: {words}')
        runner.visualizer.add_scalars({'arch/decided': share}, step=epoch)
        means = {name: sum(values) / len(values) for name, values in self.values.items()}
        self.record.add_epoch(epoch, self.algorithm, means)
        # saved in the checkpoint of this epoch
        runner.message_hub.update_info('search_epochs', json.dumps(self.record.data['epochs']))
        self.record.write()
        genotype = genotype_now(self.algorithm, self.record, epoch, runner.max_epochs, strict=False)
        genotype.save(self.record.folder / 'genotype.json')
        self.record.report()

    def after_train(self, runner: Any) -> None:
        """Derive the network and write all results."""
        load_as_saved(runner)
        conclude(runner, self.algorithm, self.record, self.recalibrate_batches, self.final_round)

    def finish(self, runner: Any, epochs: list[dict[str, Any]]) -> None:
        """Do the final steps of a search for a model loaded from its checkpoint.

        Args:
            runner: A runner whose model has the weights of the search.
            epochs: The entries of the search's record.
        """
        self._start(runner)
        self.record.data['epochs'] = epochs
        conclude(runner, self.algorithm, self.record, self.recalibrate_batches)


@contextmanager
def reported(runner: Any) -> Iterator[None]:
    """Name the error that ends a search in its ``report.html``, and raise it again."""
    try:
        yield
    except Exception as error:
        hooks = (hook for hook in runner.hooks if isinstance(hook, SearchHook))
        record = getattr(next(hooks, None), 'record', None)  # none before the search began
        if record is not None and is_main_process():
            with suppress(OSError):  # a full disk: the first error counts
                record.report(f'{type(error).__name__}: {error}')
        raise
