"""Compare training steps of networks: forward, backward and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from .memory import peak_memory
from .networks import named
from .record import Record, conditions, timed
from .step import Setting, classifier, make_step, profile

DEFAULT = ('ResNet-50-vd', 'Res2Net-50-vd', 'PP-ResNet-50')


def build(name: str, setting: Setting) -> Callable[[], dict[str, Any]]:
    """Return a step of a network in the table; for a super-net, with the losses of its search and
    Adam.

    Raises:
        ConfigError: If the name is unknown.
    """
    network = named([name])[name]
    model = classifier(network.config(), network.classes)
    return make_step(dict(type=network.search, model=model) if network.search else model, setting)


def measure(
    names: Sequence[str] = DEFAULT,
    batches: Sequence[int] = (8,),
    sizes: Sequence[int] | None = None,
    dtypes: Sequence[str] = ('fp32',),
    device: str = 'cpu',
    rounds: int = 10,
    warmup: int = 2,
    memory: bool = True,
    channels_last: bool = True,
) -> Record:
    """Measure steps; rounds for an input interleave all networks.

    ``sizes``: ``None`` uses the image size of the first network.  ``memory``: also measure the peak
    memory that a step adds to weights and optimizer.
    """
    sizes = sizes or (named(names)[names[0]].size,)
    results = []
    for dtype, size, batch in product(dtypes, sizes, batches):
        setting = Setting(batch, size, device, dtype, channels_last)
        runs: dict[tuple, Callable] = {(name,): build(name, setting) for name in names}
        for found in timed(('network',), runs, device, rounds, warmup):
            name = found['network']
            found = {'network': name, 'dtype': dtype, 'size': size, 'batch': batch, **found}
            if memory:
                found['memory'] = peak_memory(build, name, setting, device=device)
            results.append(found)
    layout = 'channels-last' if channels_last else 'contiguous'
    return Record('train-step', conditions(device, layout=layout, rounds=rounds), results)


def profiles(names: Sequence[str], setting: Setting) -> str:
    """Return the profile of one step of each network."""
    return '\n'.join(f'{n}\n{profile(build(n, setting), setting.device)}' for n in names)
