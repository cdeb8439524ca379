"""Single-path one-shot search: uniform sampling, then selection under constraints.

Paper: Single Path One-Shot Neural Architecture Search with Uniform Sampling, ECCV 2020; FairNAS,
ICCV 2021 (``sampler='fair'``).  Both are the baselines of SE-NAS, which builds on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.logging import print_log
from torch import Tensor, nn

from ...costs.limits import Limits
from ...genotype import DegenerateArchitectureError
from ...spaces.mixture import ArchPath, Fixed
from ...utils.batch_norm import batch_statistics, recalibrate
from ...utils.progress import tracked
from ...utils.registries import MODELS
from ...visualize.stages import draw_growth, draw_stages
from ..accuracy import BatchAccuracy
from ..bilevel import BilevelSearch
from ..discretise import strongest
from ..draws import Draws
from ..selection import Evaluated, Evolution, Selection, models_selected_from, select
from .paths import Paths, subsets
from .snapshots import Snapshots


@MODELS.register_module()
class SPOS(BilevelSearch):
    """Train one path per step; then select by accuracy on the half ``val``, within limits.

    Architecture parameters are not used.  All processes train the same paths.

    Args:
        model: Config of the wrapped model; its backbone is a super-net.
        sampler: ``'uniform'``: each step trains a path of operations drawn uniformly (SPOS, eq. 8);
            ``'fair'``: each step trains every operation once, in as many paths as the largest
            choice has operations, before one update (FairNAS, strict fairness).
        limits: Limits on the architecture, see :class:`Limits`; ``None``: none.
        snapshots: Number K of snapshots in the last epoch that are averaged for evaluation (SE-NAS,
            eq. 4).
        eval_batches: Number of batches of the half ``val`` to evaluate an architecture on;
            ``None``: all.
        recalibrate_batches: Number of training batches to recompute the batch-norm statistics of
            each candidate of the selection; 0: use the statistics of each evaluated batch.
        selection: Arguments of :func:`ppnas_mm.algorithms.selection.select`: ``population``,
            ``generations``, ``enumerate_up_to``, ...
        accuracy: How accuracy is measured, see :class:`BatchAccuracy`.
        seed: Seed of the draws; ``None`` takes torch's, which follows the search's ``--seed``.
        **kwargs: See :class:`SearchAlgorithm`.

    Raises:
        ConstraintError: If no architecture can satisfy one of the limits.
        ValueError: If an option is out of range.
    """

    selected: Tensor
    importance: Tensor
    uses = ('train',)
    shared_statistics = True
    epoch = 0

    def __init__(
        self,
        model: dict,
        sampler: str = 'uniform',
        limits: dict | None = None,
        snapshots: int = 1,
        eval_batches: int | None = None,
        recalibrate_batches: int = 20,
        selection: dict | None = None,
        accuracy: str = 'loss',
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        if sampler not in ('uniform', 'fair'):
            raise ValueError(f"sampler={sampler!r}: expected 'uniform' or 'fair'")
        if recalibrate_batches < 0 or (eval_batches is not None and eval_batches < 1):
            raise ValueError(
                f'recalibrate_batches={recalibrate_batches}, eval_batches={eval_batches}: expected '
                '0 or more, 1 or more'
            )
        self.sampler = sampler
        self.eval_batches = eval_batches
        self.recalibrate_batches = recalibrate_batches
        self.selection = _checked(selection or {})
        self.super_net.arch.requires_grad_(False)
        for name in self.super_net.choices:  # paths never run candidates that may only be mixed
            kept = self.super_net.keepable(name)
            for candidate in set(self.super_net.alive_candidates(name)) - set(kept):
                self.super_net.prune(name, candidate)
        self.paths = Paths(self.super_net)
        self.limits = Limits(self.model, **(limits or {}))
        self.limits.check(self.paths.alive())
        self.measure = BatchAccuracy(self.model, accuracy)
        self.snapshots = Snapshots(self.model, snapshots)
        self.draws = Draws(seed)
        alive = self.super_net.alive
        # the selected path, and the mean accuracy of each operation's models (-inf: unknown)
        self.register_buffer('selected', torch.zeros_like(alive))
        self.register_buffer('importance', torch.full(alive.shape, -torch.inf))
        self.steps = 0
        self.result: Selection | None = None

    def optim_parts(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of the only optimizer, that of the weights."""
        return {'weights': super().optim_parts()['weights']}

    # -- training ------------------------------------------------------------------------------

    def training_paths(self) -> list[ArchPath]:
        """Draw the paths of one step."""
        rng = np.random.default_rng(self.draws.next())
        alive = self.paths.alive()
        if self.sampler == 'uniform':
            return [self.paths.whole({n: int(rng.choice(ops)) for n, ops in alive.items()}, rng)]
        orders = {name: rng.permutation(ops).tolist() for name, ops in alive.items()}
        count = max(map(len, orders.values()))
        return [
            self.paths.whole({n: order[i % len(order)] for n, order in orders.items()}, rng)
            for i in range(count)
        ]

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Update the weights of the drawn paths on the half ``train``."""
        batch = self.half(data, 'train')
        paths = self.training_paths()
        values = []
        for left, path in zip(reversed(range(len(paths))), paths, strict=True):
            with self.super_net.using(Fixed(path)), optim_wrapper.optim_context(self):
                loss, accuracy = self.measure(batch)
            values.append(torch.stack([loss.detach().float(), accuracy.float()]))
            if left:
                optim_wrapper['weights'].backward(optim_wrapper['weights'].scale_loss(loss))
            else:
                optim_wrapper.update_parts(loss, ['weights'], average=True)
        self.steps += 1
        if self.loaders is not None and self.will_evaluate:
            self.snapshots.step(self.steps, len(self.loaders['train']))
        mean, accuracy = torch.stack(values).mean(0)
        return {'loss': mean, 'loss_task': mean, 'accuracy_train': accuracy}

    @property
    def will_evaluate(self) -> bool:
        """Whether architectures are evaluated at the end of this epoch."""
        return self.epoch == self.epochs

    def before_epoch(self, epoch: int) -> None:
        """Discard the snapshots of earlier epochs."""
        self.epoch, self.steps = epoch, 0
        self.snapshots.forget()

    def after_epoch(self, epoch: int) -> None:
        """Select after the last epoch."""
        if epoch == self.epochs:
            self.select()

    # -- evaluation ----------------------------------------------------------------------------

    @contextmanager
    def evaluation(self) -> Iterator[Sequence[Any]]:
        """Average the weights and yield the batches of the half ``val``.

        Raises:
            TypeError: If no loop has attached the data.
        """
        if self.loaders is None:
            raise TypeError(
                f'{type(self).__name__} evaluates architectures on the half val: '
                "train_cfg=dict(type='ppnas_mm.SearchLoop', max_epochs=...)"
            )
        batches = first_batches(self.loaders['val'], self.eval_batches)
        with self.snapshots.averaged():
            yield batches

    def batch_accuracy(self, path: ArchPath, batches: Sequence[Any]) -> float:
        """Return the accuracy of a path in per cent, with the statistics of each batch."""
        with self.super_net.using(Fixed(path)), batch_statistics(self.model):
            return self._mean_accuracy(batches)

    def recalibrated_accuracy(
        self, path: ArchPath, batches: Sequence[Any], training: Sequence[Any]
    ) -> float:
        """Return the accuracy of a path with recomputed batch-norm statistics."""
        if not training:
            return self.batch_accuracy(path, batches)
        with self.super_net.using(Fixed(path)), torch.no_grad():
            recalibrate(self.model, training, len(training))
            return self._mean_accuracy(batches)

    def _mean_accuracy(self, batches: Sequence[Any]) -> float:
        mean = self.measure.mean(batches)
        all_reduce(mean, 'mean')
        return float(mean)

    def batches_evaluated(self, epoch: int, train: int, val: int) -> int:
        """Return the number of batches of the selection, which ends the search."""
        if epoch != self.epochs:
            return 0
        return self._batches_selecting(self.paths.genes(), train, val)

    def _batches_selecting(self, genes: Any, train: int, val: int) -> int:
        each = min(train, self.recalibrate_batches) + self._val_batches(val)
        return each * models_selected_from(genes, **self.selection)

    def _val_batches(self, val: int) -> int:
        return val if self.eval_batches is None else min(val, self.eval_batches)

    # -- selection -----------------------------------------------------------------------------

    def select(self) -> None:
        """Select the most accurate architecture within the limits (SE-NAS, eq. 2).

        Raises:
            ConstraintError: If no architecture is within the limits.
        """
        training = (
            first_batches(self.loaders['train'], self.recalibrate_batches) if self.loaders else []
        )
        buffers = {k: b.clone() for k, b in self.model.named_buffers()}
        with self.evaluation() as batches:
            found = select(
                self.paths.genes(),
                None,
                lambda path: self.recalibrated_accuracy(path, batches, training),
                self.limits.limits,
                np.random.default_rng(self.draws.next()),
                self.paths.architecture,
                progress=self._progress,
                **self.selection,
            )
            for name, buffer in self.model.named_buffers():
                buffer.copy_(buffers[name])
        self.result = found
        self.selected.copy_(self.paths.to_mask(found.path))
        print_log(
            f'Selected by {found.method} of {len(found.evaluated)} architectures: '
            f'{self.measure.words} {found.accuracy:.2f}, {self.limits.costs(found.path)}',
            'current',
        )

    def reported(self, items: Sequence[Any], what: str) -> Iterator[Any]:
        """Yield the items and show a progress bar with the number done and the time left."""
        print_log(f'{what}: {len(items)} models', 'current')
        yield from tracked(list(items), 'models') if is_main_process() else items

    def _progress(self, done: int, latest: Evaluated) -> None:
        if done % 50 == 0:
            print_log(f'Selecting: {done} architectures evaluated', 'current')

    @property
    def finished(self) -> bool:
        """Whether an architecture has been selected."""
        return bool(self.selected.any())

    def decide(self, strict: bool) -> ArchPath:
        """Return the selected architecture; before the selection, that of the most important
        operations.

        Raises:
            DegenerateArchitectureError: With ``strict``, if no architecture has been selected yet.
        """
        if self.finished:
            return self.paths.from_mask(self.selected)
        if strict:
            raise DegenerateArchitectureError('the search has not selected an architecture yet')
        gates = {n: self.super_net.alive_candidates(n) for n in self.super_net.choices}
        with self.super_net.using(Fixed(gates)):
            return strongest(self.super_net, self._named(self.importance))

    def finalists(self, number: int) -> list[ArchPath]:
        """Return the best architectures of the selection."""
        if self.result is None:  # the selection was made before a stop
            return [self.decide(strict=True)]
        ranked = sorted(self.result.evaluated, key=lambda entry: -entry.accuracy)
        return [entry.path for entry in ranked[:number]]

    def _named(self, row: Tensor) -> dict[str, list[float]]:
        sizes = [len(choice.candidates) for choice in self.super_net.choices.values()]
        parts = row.split(sizes)
        return {n: p.tolist() for n, p in zip(self.super_net.choices, parts, strict=True)}

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Run the wrapped model as the architecture that the search would choose now."""
        with self.super_net.using(Fixed(self.decide(strict=False))):
            return super().forward(inputs, data_samples, mode)

    def val_step(self, data: Any) -> Any:
        """Predict as the architecture that the search would choose now."""
        with self.super_net.using(Fixed(self.decide(strict=False))):
            return super().val_step(data)

    def test_step(self, data: Any) -> Any:
        """Predict as the architecture that the search would choose now."""
        with self.super_net.using(Fixed(self.decide(strict=False))):
            return super().test_step(data)

    def distribution(self) -> dict[str, list[float]]:
        """Return the probability that each candidate is trained, or the selected path."""
        row = self.selected.float()
        if not self.finished:
            row = torch.zeros_like(row)
            for name, choice in self.super_net.choices.items():
                kept = self.super_net.keepable(name)
                values = subsets(kept, choice.keep if choice.gates else 1)
                share = sum(map(len, values)) / len(values) / len(kept)
                row[[self.super_net.starts[name] + i for i in kept]] = share
        return self._named(row)

    def pictures(self) -> dict[str, Any]:
        """Return the pictures of the stages and of the super-net's size."""
        return {'stages.svg': draw_stages, 'growth.svg': draw_growth}

    def details(self) -> dict[str, Any]:
        """Return the numbers of operations and weights, and the result of the selection."""
        sizes = [len(ops) for ops in self.paths.alive().values()]
        parameters = sum(p.numel() for p in self.optim_parts()['weights'])
        found: dict[str, Any] = {
            'super_net': {
                'operations': sum(sizes),
                'log10_size': round(sum(map(math.log10, sizes)), 3),
                'parameters': parameters,
                # weights and momentum in single precision; only one path has gradients
                'memory_mib': round(8 * parameters / 2**20, 2),
            }
        }
        if self.result is not None:
            path = self.result.path
            found['selection'] = {
                'method': self.result.method,
                'evaluated': len(self.result.evaluated),
                'accuracy': round(self.result.accuracy, 4),
                'costs': self.limits.costs(path),
            }
        return found


def _checked(selection: Mapping[str, Any]) -> dict[str, Any]:
    """Check the arguments of the selection early, so that none fails after a long search."""
    given = dict(selection)
    settings = {key: value for key, value in given.items() if key != 'enumerate_up_to'}
    known = [field.name for field in fields(Evolution)]
    if not set(settings) <= set(known):
        raise ValueError(f'selection={given}: expected some of {["enumerate_up_to", *known]}')
    Evolution(**settings)
    return given


def first_batches(loader: Any, count: int | None) -> list[Any]:
    """Return the first batches of a loader, or all of them."""
    batches: list[Any] = []
    if count == 0:
        return batches
    for batch in loader:
        batches.append(batch)
        if len(batches) == count:
            break
    return batches
