"""Small one-shot searches, for the tests of SPOS and SE-NAS."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from tasks import classifier, classifier_batch
from torch import nn
from zoo import SPACES

from ppnas_mm.engine.derive import derive_model
from ppnas_mm.registry import MODELS

OPS: dict[str, tuple[str, ...]] = {
    'chain': ('mbconv_3x3_e4_se', 'mbconv_3x3_e6_se', 'mbconv_5x5_e4_se'),
    'darts': ('skip_connect', 'max_pool_3x3', 'sep_conv_3x3', 'none'),
    'mobile': ('mbconv_3x3_e3', 'mbconv_3x3_e6', 'mbconv_5x5_e3', 'identity'),
    'ppconv': SPACES['ppconv']['ops'][:4],
    'nasbench201': SPACES['nasbench201']['ops'],
    'nasbench-macro': ('shortcut', 'mbconv_3x3_e3', 'mbconv_5x5_e6'),
}
NETS = {space: {**config, 'ops': OPS[space]} for space, config in SPACES.items()}
"""The spaces of the zoo, but fewer operations."""

CHAIN = {**SPACES['chain'], 'ops': ('mbconv_3x3_e4_se', 'mbconv_5x5_e6_se'), 'depths': (1,) * 5}
"""A space of 32 architectures."""

SIX = {**CHAIN, 'ops': tuple(f'mbconv_{k}x{k}_e{e}_se' for k in (3, 5, 7) for e in (4, 6))}
"""The same with six operations."""

FEW = {'enumerate_up_to': 40, 'population': 4, 'generations': 2, 'crossover': 2, 'mutation': 2}
SMALL = {
    'SPOS': {'recalibrate_batches': 1, 'selection': FEW},
    'SENAS': {'first_epochs': 1, 'stage_epochs': 1, 'models_per_op': 2, 'threshold': None},
}
SMALL['SENAS'] |= SMALL['SPOS']


def batches(*seeds: int, number: int = 6) -> list[dict]:
    """A loader: any number of batches."""
    return [classifier_batch(number=number, seed=seed) for seed in seeds]


def build(
    name: str = 'SPOS', net: str | dict = 'mobile', epochs: int = 4, seed: int = 0, **kwargs: Any
) -> Any:
    """A search in a space of :data:`NETS`, or of a config, with two batches of each half."""
    torch.manual_seed(seed)
    backbone = NETS[net] if isinstance(net, str) else net
    given = {'seed': seed, **SMALL[name], **kwargs}
    algorithm = MODELS.build({'type': f'ppnas_mm.{name}', 'model': classifier(backbone), **given})
    algorithm.attach({'train': batches(1, 2), 'val': batches(51, 52)}, epochs)
    return algorithm.train()


def run_epochs(algorithm: Any, optimizers: Any, epochs: Iterable[int]) -> None:
    """Train as the loop and the hook do."""
    for epoch in epochs:
        if algorithm.finished:
            break
        algorithm.train()
        algorithm.before_epoch(epoch)
        for batch in algorithm.loaders['train']:
            algorithm.train_step({'train': batch}, optimizers)
        algorithm.after_epoch(epoch)
        optimizers.follow_model()


def derived(algorithm: Any, path: Any) -> Any:
    """The network of a path with the weights that the search has now."""
    return derive_model(algorithm, algorithm.super_net.to_genotype(path))


def likelihood(model: Any, loader: list[dict], training: Iterable[type] = ()) -> float:
    """Plain mean over batches of 100 exp(-loss); modules of ``training`` are in training mode."""
    model.eval()
    for module in model.modules():
        if isinstance(module, tuple(training)):
            module.train()
    found = []
    for batch in loader:
        x = model.data_preprocessor(batch, False)['inputs']
        labels = torch.cat([sample.gt_label for sample in batch['data_samples']])
        with torch.no_grad():
            logits = model(x, mode='tensor')
        loss = nn.functional.cross_entropy(logits, labels)
        found.append(100 * float(torch.exp(-loss)))
    return sum(found) / len(found)


def held(net: Any) -> dict[tuple[str, int], list[nn.Parameter]]:
    """The parameters of each candidate alive, over all blocks and copies."""
    found: dict[tuple[str, int], list[nn.Parameter]] = {}
    for name, choice in net.choices.items():
        for i in () if choice.gates else net.alive_candidates(name):
            spot = found.setdefault((name, i), [])
            for _, block in net.blocks():
                op = choice.candidates[i]
                if block.cell == choice.cell and op in block.holder(choice):
                    spot += block.holder(choice)[op].parameters()
    return found


def left(algorithm: Any) -> list[int]:
    """Operations left of each choice."""
    return [len(ops) for ops in algorithm.paths.alive().values()]


def plain_scores(algorithm: Any, seed: int = 0) -> None:
    """Random importances, without evaluation."""
    rng = np.random.default_rng(seed)
    algorithm.importances = lambda: {
        name: {i: float(rng.uniform(10, 90)) for i in ops}
        for name, ops in algorithm.paths.alive().items()
    }
