"""Activation memory of a training step, with and without activation checkpointing."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..config.keys import ConfigError
from ..utils.registries import MODELS
from .memory import peak_memory
from .record import Record, conditions
from .step_counters import count_saved

SUPER_NETS: dict[str, tuple[dict[str, Any], int]] = {
    'PP-NAS, depth 110': (dict(type='ppnas_mm.PPConvSuperNet', depth=110), 32),
    'PP-NAS, depth 50, ImageNet': (
        dict(type='ppnas_mm.PPConvSuperNet', depth=50, macro='imagenet'),
        224,
    ),
    'DARTS, 8 cells, 16 channels': (dict(type='ppnas_mm.DARTSSuperNet'), 32),
    'DARTS, 20 cells, 16 channels': (dict(type='ppnas_mm.DARTSSuperNet', num_cells=20), 32),
    'NAS-Bench-201': (dict(type='ppnas_mm.NASBench201SuperNet'), 32),
    'chain': (dict(type='ppnas_mm.ChainSuperNet'), 224),
    'mobile': (dict(type='ppnas_mm.MobileSuperNet'), 224),
}
"""Super-nets in the sizes of the papers, and the side of their images."""


def build(name: str, with_cp: bool, device: str = 'cpu') -> tuple[Any, int]:
    """Return a super-net of :data:`SUPER_NETS` in training mode and the side of its images.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in SUPER_NETS:
        raise ConfigError(f'super-net {name!r}: expected one of {list(SUPER_NETS)}')
    config, size = SUPER_NETS[name]
    return MODELS.build({**copy.deepcopy(config), 'with_cp': with_cp}).to(device).train(), size


def kept_activations(net: nn.Module, x: Tensor) -> float:
    """Return the MiB that a forward pass of a backbone keeps for backward."""
    with count_saved(net) as saved:
        maps = net(x)
    found = saved.live / 2**20
    del maps
    return found


def make_step(name: str, with_cp: bool, batch: int, device: str) -> Callable[[], None]:
    """Return a step of a super-net: forward and backward, then gradients are cleared."""
    net, size = build(name, with_cp, device)
    net.to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, size, size, device=device)

    def step() -> None:
        sum(out.float().mean() for out in net(x)).backward()
        net.zero_grad()

    return step


def measure(names: Sequence[str] | None, batch: int, device: str = 'cpu') -> Record:
    """Measure activations and peak memory of steps, without and with activation checkpointing."""
    results = []
    for name in names or SUPER_NETS:
        for form, with_cp in (('plain', False), ('with_cp', True)):
            net, size = build(name, with_cp, device)
            x = torch.randn(batch, 3, size, size, device=device)
            kept = kept_activations(net, x)
            memory = peak_memory(make_step, name, with_cp, batch, device, device=device)
            found = dict(network=name, form=form, batch=batch, kept=kept, memory=memory)
            results.append(found)
            print(f'{name}, {form}: {kept:.0f} MiB, at most {memory:.0f}', file=sys.stderr)
    return Record('activations', conditions(device), results)
