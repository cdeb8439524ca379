"""Latency of backbones side by side, in several forms: measured, as a table and as a picture."""

from __future__ import annotations

import ctypes
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .config import ConfigError
from .latency import device_name, samples
from .registry import MODELS
from .report import table
from .version import __version__

CDARTS = dict(arch='cdarts_imagenet', variant='imagenet', num_cells=14, init_channels=48)
BACKBONES: dict[str, dict[str, Any]] = {
    'ResNet-50-vd': dict(type='PPResNet', depth=50, block='resnet'),
    'Res2Net-50-vd': dict(type='PPResNet', depth=50, block='res2net'),
    'PP-ResNet-50': dict(type='PPResNet', depth=50),
    'DARTSNet': dict(type='DARTSNet', **CDARTS),
    'ChainNet': dict(type='ChainNet', arch='cdarts_a'),
    'MobileNASNet': dict(type='MobileNASNet', arch='proxylessnas_gpu'),
}
"""What is measured; the ratios are to the first that is."""
FORMS = ('eager', 'deployed', 'compiled')
"""As built; after ``switch_to_deploy()``; that, compiled by ``torch.compile``."""
DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


def build(name: str, form: str, device: str = 'cpu', dtype: str = 'fp32') -> Any:
    """Return a backbone of :data:`BACKBONES` in one of the :data:`FORMS`.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in BACKBONES:
        raise ConfigError(f'network {name!r}: expected one of {list(BACKBONES)}')
    config = dict(BACKBONES[name])
    net = MODELS.build({**config, 'type': f'ppnas_mm.{config["type"]}'})
    net = net.to(device, DTYPES[dtype]).eval()
    if form == 'eager':
        return net
    net = net.switch_to_deploy()
    return {'deployed': net, 'compiled': torch.compile(net)}[form]


def images(batch: int, size: int, device: str = 'cpu', dtype: str = 'fp32') -> torch.Tensor:
    """Return random images."""
    return torch.randn(batch, 3, size, size).to(device, DTYPES[dtype])


@torch.inference_mode()
def measure(
    names: Sequence[str],
    forms: Sequence[str],
    batches: Sequence[int],
    size: int = 224,
    device: str = 'cpu',
    dtype: str = 'fp32',
    rounds: int = 20,
    warmup: int = 3,
) -> dict[str, Any]:
    """Measure forwards; the rounds of a batch size go round all networks and forms, interleaved.

    Returns:
        The conditions and ``results``: network, form, batch, median and least milliseconds, and the
        ratio of its median to that of the first network in the same form.
    """
    nets: dict[tuple[str, str], nn.Module] = {
        (name, form): build(name, form, device, dtype) for name in names for form in forms
    }
    results = []
    for batch in batches:
        x = images(batch, size, device, dtype)
        runs = {key: partial(net, x) for key, net in nets.items()}
        taken = samples(runs, torch.device(device), rounds, warmup)
        middle = {key: statistics.median(values) for key, values in taken.items()}
        results += [
            dict(
                network=name,
                form=form,
                batch=batch,
                median=middle[name, form],
                least=min(taken[name, form]),
                ratio=middle[name, form] / middle[names[0], form],
            )
            for name, form in nets
        ]
    return dict(
        device=device_name(torch.device(device)),
        threads=torch.get_num_threads(),
        size=size,
        dtype=dtype,
        rounds=rounds,
        versions={'torch': torch.__version__, 'ppnas_mm': __version__},
        results=results,
    )


def resident(what: str) -> float:
    """Return the memory of this process in MiB: ``'VmRSS'`` now, ``'VmHWM'`` at most (Linux)."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return float(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


@torch.inference_mode()
def peak_memory(name: str, form: str, batch: int, size: int, device: str, dtype: str) -> float:
    """Return the MiB of the weights and what a second forward needs besides at most.

    On a CPU call it in a process of its own (Linux with glibc).
    """
    net = build(name, form, device, dtype)
    x = images(batch, size, device, dtype)
    tensors = [*net.parameters(), *net.buffers()]
    weights = sum(t.numel() * t.element_size() for t in tensors) / 2**20
    net(x)
    return weights + added_memory(partial(net, x), device)


def added_memory(run: Callable[[], Any], device: str) -> float:
    """Return the MiB that a call needs at most besides what is in use.

    On a CPU call it in a process of its own (Linux with glibc), after a first such call.
    """
    if device == 'cuda':
        before = float(torch.cuda.memory_allocated())
        torch.cuda.reset_peak_memory_stats()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    ctypes.CDLL(None).malloc_trim(0)
    Path('/proc/self/clear_refs').write_text('5')  # the high-water mark starts anew
    before = resident('VmRSS')
    run()
    return resident('VmHWM') - before


def latency_report(record: Mapping[str, Any]) -> str:
    """Return what :func:`measure` found as a table, with the conditions."""
    first = record['results'][0]['network']
    rows = [
        [
            r['network'],
            r['form'],
            str(r['batch']),
            f'{r["median"]:.1f}',
            f'{r["least"]:.1f}',
            f'{r["ratio"]:.2f}',
            f'{r["memory"]:.0f}' if r.get('memory') is not None else '-',
        ]
        for r in record['results']
    ]
    header = ['network', 'form', 'batch', 'median, ms', 'least, ms', f'times {first}']
    return (
        table([*header, 'peak memory, MiB'], rows)
        + f'\n\n{record["device"]}, {record["threads"]} threads, {record["size"]} x '
        f'{record["size"]}, {record["dtype"]}, {record["rounds"]} interleaved rounds, '
        f'torch {record["versions"]["torch"]}'
    )


def draw_latency(record: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Draw the medians as bars, one panel a batch size."""
    from matplotlib.figure import Figure

    results = record['results']
    names = list(dict.fromkeys(r['network'] for r in results))
    forms = list(dict.fromkeys(r['form'] for r in results))
    batches = list(dict.fromkeys(r['batch'] for r in results))
    figure = Figure(figsize=(5.5 * len(batches), 1 + 0.25 * len(names) * len(forms)))
    height = 0.8 / len(forms)
    for axes, batch in zip(
        figure.subplots(1, len(batches), squeeze=False)[0], batches, strict=True
    ):
        for f, form in enumerate(forms):
            values = [r['median'] for r in results if (r['form'], r['batch']) == (form, batch)]
            places = [n + (f - (len(forms) - 1) / 2) * height for n in range(len(names))]
            bars = axes.barh(places, values, 0.95 * height, label=form)
            axes.bar_label(bars, fmt='%.1f', padding=2, fontsize=8)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.set_xlabel('milliseconds')
        axes.set_title(f'batch {batch}, {record["size"]} x {record["size"]}, {record["dtype"]}')
        axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)
