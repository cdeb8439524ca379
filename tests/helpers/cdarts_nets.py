"""Shared by the tests of cdarts and others."""

from typing import Any

import torch
from tasks import classifier, classifier_batch
from torch import Tensor

from ppnas_mm.registry import MODELS

DARTS = {
    'type': 'ppnas_mm.DARTSSuperNet',
    'num_cells': 3,
    'init_channels': 2,
    'ops': ('max_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'dil_conv_3x3', 'none'),
}


NB201 = {'type': 'ppnas_mm.NASBench201SuperNet', 'init_channels': 4, 'cells_per_stage': 1}


DATA = {'train': classifier_batch(seed=0), 'val': classifier_batch(seed=1)}


def build(model: dict | None = None, **kwargs: Any) -> Any:
    """CDARTS around a tiny classifier, alpha scrambled."""
    torch.manual_seed(0)
    config = {'evaluation': {'num_cells': 5}, 'classes': 3, 'pools': (3, 2), **kwargs}
    algorithm: Any = MODELS.build(
        {'type': 'ppnas_mm.CDARTS', 'model': model or classifier(DARTS), **config}
    )
    algorithm.init_weights()
    with torch.no_grad():
        for parameter in algorithm.arch_parameters().values():
            parameter.normal_()
    algorithm.before_epoch(1)
    return algorithm.train()


def snapshot(algorithm: Any) -> dict[str, dict[str, Tensor]]:
    """Copies of the parameters of each part, by name."""
    names = {id(p): n for n, p in algorithm.named_parameters()}
    return {
        part: {names[id(p)]: p.detach().clone() for p in owned}
        for part, owned in algorithm.optim_parts().items()
    }


def moved(algorithm: Any, before: dict[str, dict[str, Tensor]]) -> set[str]:
    """Names of the parameters that changed."""
    now = dict(algorithm.named_parameters())
    return {
        name
        for owned in before.values()
        for name, value in owned.items()
        if not torch.equal(now[name], value)
    }


# -- Algorithm 1 -----------------------------------------------------------------------------------
