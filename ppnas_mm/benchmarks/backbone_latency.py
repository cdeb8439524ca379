"""Compare the latency of backbones in several forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import torch

from ..layers.deploy import fold_norms
from .memory import peak_memory, weights
from .networks import DTYPES, named
from .record import Record, conditions, timed

DEFAULT = (
    'ResNet-50-vd',
    'Res2Net-50-vd',
    'PP-ResNet-50',
    'DARTSNet',
    'ChainNet',
    'MobileNASNet',
)
FORMS = ('eager', 'fused', 'deployed', 'compiled')
"""As built; with norms folded into plain convolutions; after ``switch_to_deploy()``; deployed and
compiled by ``torch.compile``."""


@torch.no_grad()
def build(name: str, form: str, device: str = 'cpu', dtype: str = 'fp32') -> Any:
    """Return a backbone of the table in one of the :data:`FORMS`.

    Raises:
        ConfigError: If the name is unknown.
    """
    net = named([name])[name].build().to(device, DTYPES[dtype]).eval()
    if form == 'eager':
        return net
    if form == 'fused':
        return fold_norms(net)
    net = net.switch_to_deploy()
    if form == 'deployed':
        return net
    # on a GPU, launches take longer than small kernels, so the compiled form replays a CUDA graph
    mode = 'reduce-overhead' if device == 'cuda' else 'default'
    return torch.compile(net, mode=mode, dynamic=False)


def images(batch: int, size: int, device: str = 'cpu', dtype: str = 'fp32') -> torch.Tensor:
    """Return random images."""
    return torch.randn(batch, 3, size, size).to(device, DTYPES[dtype])


@torch.inference_mode()
def measure(
    names: Sequence[str] = DEFAULT,
    forms: Sequence[str] = FORMS[:3],
    batches: Sequence[int] = (1, 8),
    sizes: Sequence[int] | None = None,
    dtypes: Sequence[str] = ('fp32',),
    device: str = 'cpu',
    rounds: int = 20,
    warmup: int = 3,
    memory: bool = True,
    mean: bool = False,
) -> Record:
    """Measure forwards; rounds for an input interleave all networks and forms.

    ``sizes``: ``None`` uses the image size of each network, 224 or 32.  ``memory``: also measure
    the peak memory of weights and one forward, but not of compiled forms.  ``mean``: use the mean
    of the rounds, as in PP-NAS' Table VII, instead of the median.
    """
    if 'compiled' in forms:  # torch recompiles the shared forward only a few times
        torch._dynamo.reset()
    results = []
    for dtype in dtypes:
        nets = {(n, f): build(n, f, device, dtype) for n in names for f in forms}
        own = {name: network.size for name, network in named(names).items()}
        for size, batch in product(sizes or dict.fromkeys(own.values()), batches):
            x = images(batch, size, device, dtype)
            runs: dict[tuple, Callable] = {
                key: partial(net, x) for key, net in nets.items() if sizes or own[key[0]] == size
            }
            where = dict(dtype=dtype, size=size, batch=batch)
            for found in timed(('network', 'form'), runs, device, rounds, warmup, mean):
                found['image'] = found['mean' if mean else 'median'] / batch
                found = {'network': found['network'], 'form': found['form'], **where, **found}
                if memory and found['form'] != 'compiled':
                    found['memory'] = forward_memory(
                        found['network'], found['form'], batch, size, device, dtype
                    )
                results.append(found)
    return Record('latency', conditions(device, rounds=rounds), results)


def make_forward(
    name: str, form: str, batch: int, size: int, device: str, dtype: str
) -> Callable[[], Any]:
    """Return a forward pass without gradients."""
    net, x = build(name, form, device, dtype), images(batch, size, device, dtype)
    return torch.inference_mode()(partial(net, x))


def forward_memory(name: str, form: str, batch: int, size: int, device: str, dtype: str) -> float:
    """Return the peak memory of a forward pass in MiB, weights included."""
    own = weights(build(name, form, device, dtype))
    return own + peak_memory(make_forward, name, form, batch, size, device, dtype, device=device)
