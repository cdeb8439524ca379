"""Mixed precision in bfloat16 and channels-last: every search stays finite and chooses the same."""

from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from sklearn.datasets import load_digits
from tasks import classifier, classifier_batch, search_optimizers
from test_algorithms import batch_for, build, every_algorithm
from tool import DIGITS, TINY, call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from zoo import SPACES

from ppnas_mm.algorithms import DARTS, PPNAS, SearchAlgorithm
from ppnas_mm.algorithms.bilevel import BilevelSearch
from ppnas_mm.algorithms.one_shot.spos import SPOS
from ppnas_mm.engine.run import _mix_precision

MIXED = {'type': 'ppnas_mm.BFloat16OptimWrapper'}
LOSSES = ('_softmax', '_log_softmax', 'nll_loss_forward', 'smooth_l1_loss', 'mse_loss', 'mv')
"""Operations that losses and mixtures are made of; here no other part of a model uses them."""


class Numbers(TorchDispatchMode):
    """Counts the operations that run, by name and by the type of their first tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        tensors = (x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor))
        name = function._schema.name.removeprefix('aten::')
        self.seen[name, getattr(next(tensors, None), 'dtype', None)] += 1
        return function(*args, **(kwargs or {}))

    def types_of(self, *names: str) -> set[torch.dtype]:
        return {dtype for name, dtype in self.seen if name in names}


def smallest(name: str) -> str:
    """The space whose super-net takes an algorithm the least time."""
    return 'ppconv' if name == 'PPNAS' else 'nasbench201'


def check_search(name: str, space: str, size: int = 16) -> None:
    """Do some steps; see what they compute in, and that all stays finite and in float32."""
    algorithm = build(name, space).train()
    algorithm.to(memory_format=torch.channels_last)
    optimizers = search_optimizers(algorithm, weights=MIXED)
    with Numbers() as numbers:
        for step in range(2):
            algorithm.before_epoch(step + 1)  # of CDARTS, the evaluation network alone, then both
            batch = classifier_batch(size=size, seed=step)
            logs = algorithm.train_step(batch_for(algorithm, batch), optimizers)
            assert all(torch.isfinite(v).all() for v in logs.values())
    assert numbers.types_of('convolution', 'convolution_backward') == {torch.bfloat16}
    assert numbers.types_of(*LOSSES) == {torch.float32}
    state = algorithm.state_dict()
    assert all(value.isfinite().all() for key, value in state.items() if key != 'importance')
    assert not any(v.dtype in (torch.bfloat16, torch.float16) for v in state.values())


@every_algorithm
def test_every_search_runs_in_bfloat16(name: str) -> None:
    check_search(name, smallest(name))


def test_the_second_order_looks_ahead_in_full_precision() -> None:
    """Finite differences of rounded losses would be noise."""
    algorithm = build('DARTS', 'nasbench201', order=2).train()
    assert isinstance(algorithm, DARTS)
    with Numbers() as numbers:
        batch = batch_for(algorithm, classifier_batch())
        algorithm.train_step(batch, search_optimizers(algorithm, weights=MIXED))
    count = {dtype: numbers.seen['convolution', dtype] for dtype in numbers.types_of('convolution')}
    # eq. 7 and 8: the step ahead, the loss there, two sides of the difference; then the real step
    assert count == {
        torch.float32: 4 * count[torch.bfloat16],
        torch.bfloat16: count[torch.bfloat16],
    }


def test_losses_on_the_architecture_are_not_rounded() -> None:
    """Eq. 4 is a small difference of sums of gates: in bfloat16 (1 - 0.9995)^2 would be 0."""
    algorithm = build('PPNAS', 'ppconv').train()
    assert isinstance(algorithm, PPNAS)
    with torch.no_grad():
        for name, parameter in algorithm.super_net.arch.items():
            if algorithm.super_net.choices[name].gates:
                parameter.copy_(torch.logit(torch.full_like(parameter, 0.9995 / len(parameter))))
    expected = algorithm.arch_losses()
    assert expected['loss_connection'] > 0
    data = algorithm.data_preprocessor(classifier_batch(), True)
    with torch.autocast('cpu', torch.bfloat16):
        found = algorithm(**data, mode='loss')
    for name, loss in expected.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], loss), name


# -- the choice among the spread of seeds ----------------------------------------------------------


images_of_digits = cache(load_digits)


def digits(numbers: np.ndarray) -> dict[str, Any]:
    """Real digits, twice as large, as a batch."""
    from mmpretrain.structures import DataSample

    data = images_of_digits()
    pixels = torch.from_numpy(15 * data.images[numbers]).byte().kron(torch.ones(2, 2).byte())
    samples = [DataSample().set_gt_label(int(label)) for label in data.target[numbers]]
    return {'inputs': list(pixels[:, None].expand(-1, 3, -1, -1)), 'data_samples': samples}


def search(name: str, seed: int, mixed: bool, steps: int) -> SearchAlgorithm:
    """Search for some steps on digits; the seed decides about weights, batches and draws."""
    given: dict[str, Any] = {'classes': 10} if name == 'CDARTS' else {}
    if name in ('GDAS', 'EoiNAS', 'SPOS', 'SENAS', 'RandomSearch'):
        given['seed'] = seed
    config = classifier(SPACES[smallest(name)], classes=10)
    algorithm = build(name, smallest(name), seed, config, **given)
    algorithm.init_weights()
    algorithm.train().to(memory_format=torch.channels_last)
    weights = {'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9}}
    arch = {'optimizer': {'type': 'Adam', 'lr': 0.03}}
    optimizers = search_optimizers(algorithm, weights=weights | (MIXED if mixed else {}), arch=arch)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    algorithm.before_epoch(2)
    for _ in range(steps):
        train, val = (digits(rng.choice(1500, 32, replace=False)) for _ in range(2))
        bilevel = isinstance(algorithm, BilevelSearch)
        algorithm.train_step({'train': train, 'val': val} if bilevel else train, optimizers)
    return algorithm


def outlook(algorithm: SearchAlgorithm) -> np.ndarray:
    """What a search would decide by: its distribution, or exp(-loss) of the same twelve paths."""
    if not isinstance(algorithm, SPOS):
        return np.concatenate([np.array(values) for values in algorithm.distribution().values()])
    algorithm.measure.kind = 'loss'
    rng = np.random.default_rng(0)
    alive = algorithm.paths.alive()
    held_out = [digits(np.arange(1700, 1797))]
    drawn = [{n: int(rng.choice(ops)) for n, ops in alive.items()} for _ in range(12)]
    paths = [algorithm.paths.whole(ops, rng) for ops in drawn]
    return np.array([algorithm.batch_accuracy(path, held_out) / 100 for path in paths])


def check_spread(name: str, steps: int, seeds: int = 3) -> None:
    """Hold what precision changes against what the seed changes.

    The distance of two searches is the mean absolute difference of their :func:`outlook`.  The
    largest distance between the two precisions of one seed has to be smaller than the smallest
    between two seeds in single precision: whoever sees two searches could not tell that precision
    made the difference.
    """
    single, mixed = (
        [outlook(search(name, seed, kind, steps)) for seed in range(seeds)]
        for kind in (False, True)
    )
    twins = [float(abs(a - b).mean()) for a, b in zip(single, mixed, strict=True)]
    spread = [float(abs(a - b).mean()) for a, b in combinations(single, 2)]
    print(f'{name}: {steps} steps, precision {twins}, seeds {spread}')
    assert max(twins) < min(spread)


def test_precision_changes_less_than_a_seed() -> None:
    """Of one algorithm here; tests/slow has every one."""
    check_spread('GDAS', steps=5)


# -- --amp -----------------------------------------------------------------------------------------

SGD = {'optimizer': {'type': 'SGD', 'lr': 0.1}}


@pytest.mark.parametrize('nested', [False, True])
@pytest.mark.parametrize('gpu', [False, True])
def test_the_flag_chooses_by_device(gpu: bool, nested: bool) -> None:
    given: dict[str, Any] = {**SGD, 'type': 'AmpOptimWrapper', 'loss_scale': 512.0}
    for part in (dict(SGD), given):
        wrapper = ConfigDict({'weights': part, 'arch': dict(SGD)} if nested else part)
        _mix_precision(wrapper, gpu)
        found = wrapper.weights if nested else wrapper
        if gpu:
            assert found == {**SGD, 'type': 'AmpOptimWrapper', 'loss_scale': 'dynamic', **part}
        else:
            assert found == {**SGD, **MIXED}
        assert not nested or wrapper.arch == SGD


def test_a_search_on_a_cpu_takes_the_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available():
        pytest.skip('has a GPU')
    options = ['--work-dir', tmp_path, '--cfg-options', *TINY, 'train_cfg.max_epochs=1']
    with Numbers() as numbers:
        call('search.py', DIGITS, '--amp', *options)  # one epoch is too short to derive
    assert (tmp_path / 'epoch_1.pth').is_file()
    assert numbers.types_of('convolution_backward') == {torch.bfloat16}
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['state_dict']
    assert not any(value.dtype == torch.bfloat16 for value in state.values())
