"""Shared by the tests of mixed precision and others."""

from collections import Counter
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import torch
from searches import batch_for, build
from sklearn.datasets import load_digits
from tasks import classifier, classifier_batch, search_optimizers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from zoo import SPACES

from ppnas_mm.algorithms import SearchAlgorithm
from ppnas_mm.algorithms.bilevel import BilevelSearch
from ppnas_mm.algorithms.one_shot.spos import SPOS

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
    algorithm.before_epoch(1)  # what needs no training may choose, in full precision
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
