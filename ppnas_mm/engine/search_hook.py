"""What a search leaves in its work dir, epoch by epoch and at the end."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import set_random_seed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..algorithms.base import SearchAlgorithm
from ..config.keys import ConfigError
from ..genotype import DegenerateArchitectureError, Genotype
from ..layers.custom_conv import to_channels_last
from ..utils.batch_norm import recalibrate
from ..utils.distributed import average_buffers
from ..utils.files import DamagedFileError, read_json, write_json
from ..utils.registries import HOOKS
from ..version import __version__
from ..visualize.genotype import draw_genotype, draw_search
from ..visualize.importance import draw_importance, draw_importance_table
from ..visualize.stages import draw_growth, draw_stages
from ..visualize.titles import found_title, stage_notes
from ..weights.checkpoint import save_derived
from .agreement import require_one_architecture
from .checkpoint import load_as_saved
from .derive import derive_model
from .evaluate import evaluate
from .optim import SearchOptimWrapper
from .seed import mix_seed, set_epoch
from .settings import settings_of


class NonFiniteLossError(FloatingPointError):
    """The loss became NaN or infinite."""


def summarise(algorithm: SearchAlgorithm) -> tuple[float, str]:
    """Return the share of decided candidates and the architecture in words.

    Decided are connections whose gate is above 0.9 or below 0.1, where gates are learned; where
    not, operations with a weight above one half.
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
        recalibrate_batches: Training batches on which the derived network's batch-norm statistics
            are recomputed; 0 keeps the super-net's.
        channels_last: Whether to keep convolution weights channels-last: the same numbers up to
            rounding, in about three quarters of the time on a CPU.
    """

    priority = 'NORMAL'

    def __init__(self, recalibrate_batches: int = 0, channels_last: bool = True) -> None:
        if type(recalibrate_batches) is not int or recalibrate_batches < 0:
            raise ConfigError(
                f'SearchHook: recalibrate_batches={recalibrate_batches!r}: expected 0 or more'
            )
        self.recalibrate_batches = recalibrate_batches
        self.channels_last = channels_last
        self.values: dict[str, list[float]] = {}

    def before_train(self, runner: Any) -> None:
        """Start the record, or continue that of the epochs before.

        Raises:
            ConfigError: If the config has two such hooks, or averages weights that are pruned.
        """
        if sum(isinstance(hook, SearchHook) for hook in runner.hooks) > 1:
            raise ConfigError('two SearchHooks: keep that of default_hooks.search or custom_hooks')
        self._start(runner)
        if self.algorithm.prunes and any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise ConfigError(
                f'EMAHook: {type(self.algorithm).__name__} prunes its super-net, and an average of '
                'its weights cannot follow; leave EMAHook to the training of what is found'
            )
        if self.channels_last:
            to_channels_last(runner.model)
        if runner.epoch:
            self._continue_record(runner)

    def _continue_record(self, runner: Any) -> None:
        """Take the epochs before from the checkpoint; from ``search.json`` if it is an older one.

        What is damaged or missing is logged, and what cannot be had stands in the record.
        """
        found, text = [], runner.message_hub.get_info('search_epochs', '')
        try:
            found = read_json(self.folder / 'search.json').get('epochs', [])[: runner.epoch]
        except DamagedFileError as error:
            source = 'its epochs are taken from the checkpoint' if text else 'its epochs are lost'
            runner.logger.warning(f'{error}; the record goes on: {source}')
        self.record['epochs'] = json.loads(text) if text else found
        there = {entry['epoch'] for entry in self.record['epochs']}
        lost = [epoch for epoch in range(1, runner.epoch + 1) if epoch not in there]
        if lost:
            runner.logger.warning(f'the record lacks epochs {lost}')
            self.record['lost_epochs'] = lost

    def _start(self, runner: Any) -> None:
        self.folder = Path(runner.work_dir)
        self.algorithm = runner.model.module if is_model_wrapper(runner.model) else runner.model
        choices = self.algorithm.super_net.choices
        self.record: dict[str, Any] = dict(
            config=Path(runner.cfg.filename or '').name,
            algorithm=type(self.algorithm).__name__,
            space=self.algorithm.super_net.space,
            seed=runner.seed,
            versions=dict(
                ppnas_mm=__version__, torch=torch.__version__, mmengine=mmengine.__version__
            ),
            choices={
                n: dict(candidates=list(c.candidates), gates=c.gates) for n, c in choices.items()
            },
            settings=settings_of(runner.cfg),
            epochs=[],
        )

    def before_train_epoch(self, runner: Any) -> None:
        """Forget the losses of the epoch before; let the algorithm prepare."""
        self.values = {}
        if isinstance(runner.model, DistributedDataParallel):
            # DDP lays out its buckets anew after its first step, and sums round as they lie there:
            # so that a resumed search repeats an epoch, each epoch starts as a resumed one does
            runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), self.algorithm)
            runner._maybe_compile('train_step')  # the runner did so to the wrapper before
        self.algorithm.before_epoch(runner.epoch + 1)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Collect losses and accuracies; stop at once where one is not finite."""
        for name, norm in getattr(runner.optim_wrapper, 'norms', {}).items():
            if norm is not None:  # of clipping by value there is none
                runner.message_hub.update_scalar(f'train/{name}', float(norm))
        for name, value in (outputs or {}).items():
            if 'loss' not in name and 'accuracy' not in name:
                continue
            number = float(value.detach()) if isinstance(value, torch.Tensor) else float(value)
            if not math.isfinite(number):
                raise NonFiniteLossError(
                    f'{name} is {number} at epoch {runner.epoch + 1}, iteration {batch_idx + 1}; '
                    f'what epoch {runner.epoch} left in {self.folder} is intact; '
                    'lower the learning rate or clip gradients'
                )
            self.values.setdefault(name, []).append(number)

    def after_train_epoch(self, runner: Any) -> None:
        """Let the algorithm act; then write genotype and record of this epoch."""
        epoch = runner.epoch + 1
        # a checkpoint holds the buffers of one process, so all must have the same
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
        entry = dict(
            epoch=epoch,
            losses={name: value for name, value in means.items() if 'loss' in name},
            architecture={
                name: [round(v, 6) for v in values]
                for name, values in self.algorithm.distribution().items()
            },
            **self.algorithm.details(),
        )
        metrics = {name: value for name, value in means.items() if 'accuracy' in name}
        if metrics:
            entry['metrics'] = metrics
        self.record['epochs'].append(entry)
        # goes into the checkpoint of this epoch
        runner.message_hub.update_info('search_epochs', json.dumps(self.record['epochs']))
        self._write_record()
        self._genotype(runner, epoch, strict=False).save(self.folder / 'genotype.json')

    def after_train(self, runner: Any) -> None:
        """Derive the network and write everything."""
        load_as_saved(runner)
        self._finish(runner)

    def finish(self, runner: Any, epochs: list[dict[str, Any]]) -> None:
        """Do what ends a search for a model that was loaded from its checkpoint.

        Args:
            runner: A runner whose model has the weights of the search.
            epochs: The entries of the search's record.
        """
        self._start(runner)
        self.record['epochs'] = epochs
        self._finish(runner)

    def _finish(self, runner: Any) -> None:
        epoch = runner.epoch or len(self.record['epochs'])
        if is_main_process():
            draw_search(self.record, self.folder / 'search.svg')
            if any('importance' in entry for entry in self.record['epochs']):
                draw_importance(self.record, self.folder / 'importance.svg')
                draw_importance_table(self.record, self.folder / 'importance_table.svg')
            if any('super_net' in entry for entry in self.record['epochs']):
                draw_stages(self.record, self.folder / 'stages.svg')
                draw_growth(self.record, self.folder / 'growth.svg')
        genotype = self._found(runner, epoch)
        net = self.algorithm.super_net
        remarks = [*self.algorithm.remarks(), *net.remarks(net.to_path(genotype))]
        for remark in remarks:
            runner.logger.warning(remark)
        model = derive_model(self.algorithm, genotype)
        as_inherited = {}
        if self.recalibrate_batches and runner.val_loop is not None:
            as_inherited = self._result(runner, model)
        loader = runner.train_dataloader
        set_epoch(loader, runner.seed, epoch, runner.rank)
        set_random_seed(mix_seed(runner.seed, epoch, runner.rank))
        recalibrate(model, loader, self.recalibrate_batches)
        if self.algorithm.shared_statistics:
            recalibrate(self.algorithm, loader, self.recalibrate_batches)
        result: dict[str, Any] = dict(
            genotype=genotype.hash,
            bn_recalibrated_on_batches=self.recalibrate_batches,
            **(dict(remarks=remarks) if remarks else {}),
        )
        if runner.val_loop is not None:
            result['super_net'] = self._result(runner, self.algorithm)
            if as_inherited:
                result['as_inherited'] = as_inherited
            result['derived'] = self._result(runner, model)
        self.record['result'] = result
        if not is_main_process():
            return
        save_derived(model, genotype, self.folder / 'derived.safetensors')
        title, notes = found_title(genotype, self.record), stage_notes(model.backbone)
        draw_genotype(genotype, self.folder / 'genotype.svg', title, notes)
        genotype.save(self.folder / 'genotype.json')
        self._write_record()

    def _found(self, runner: Any, epoch: int) -> Genotype:
        """Return what was found; a search that found nothing whole says so in its record."""
        try:
            return self._genotype(runner, epoch, strict=True)
        except DegenerateArchitectureError as error:
            text = f'{error}. What may help: {self.algorithm.advice}'
            if is_main_process():
                self.record['result'] = {'failed': text}
                self._write_record()
            raise DegenerateArchitectureError(text) from None

    def _result(self, runner: Any, network: nn.Module) -> dict[str, Any]:
        """Return metrics on the validation data, and the number of parameters."""
        loop = runner.val_loop
        return dict(
            metrics=evaluate(network, loop.dataloader, loop.evaluator),
            parameters=sum(p.numel() for p in network.parameters()),
        )

    def _genotype(self, runner: Any, epoch: int, strict: bool) -> Genotype:
        about = {key: self.record[key] for key in ('algorithm', 'config', 'seed')}
        about.update(epoch=epoch, epochs=runner.max_epochs)
        try:
            return self.algorithm.derive(True, dict(search=about, status='derived'))
        except DegenerateArchitectureError as error:
            if strict:
                raise
            status = f'provisional, repaired to be whole: {error}'
            return self.algorithm.derive(False, dict(search=about, status=status))

    def _write_record(self) -> None:
        write_json(self.folder / 'search.json', self.record)
