"""Common format of benchmark results: a JSON file, a table, a bar chart."""

from __future__ import annotations

import io
import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from ..config.keys import ConfigError
from ..utils.files import write_atomic
from ..utils.tables import table
from ..utils.timing import device_name, samples
from ..version import __version__

# key of a result: title and format of its column
COLUMNS: dict[str, tuple[str, str]] = {
    'network': ('network', ''),
    'algorithm': ('algorithm', ''),
    'formulation': ('formulation', ''),
    'config': ('config', ''),
    'part': ('part', ''),
    'form': ('form', ''),
    'dtype': ('type', ''),
    'size': ('side', ''),
    'batch': ('batch', ''),
    'input': ('input', ''),
    'median': ('median, ms', '.1f'),
    'mean': ('mean, ms', '.1f'),
    'image': ('ms an image', '.2f'),
    'least': ('least, ms', '.1f'),
    'ratio': ('times {first}', '.2f'),
    'speed': ('speed', '.2f'),
    'share': ('share, %', '.1f'),
    'parameters': ('parameters', ','),
    'millions': ('parameters, M', '.3f'),
    'paper': ('paper, M', '.2f'),
    'macs': ('multiply-adds, G', '.2f'),
    'kept': ('kept for backward, MiB', '.0f'),
    'memory': ('peak memory, MiB', '.0f'),
}
NAMES = ('network', 'formulation', 'config', 'part')
"""Keys with one bar per value: the first of these in the results is used."""
PANELS = {
    'algorithm': '{}',
    'batch': 'batch {}',
    'size': '{0} x {0}',
    'dtype': '{}',
}
"""Keys with one panel per value, if in the results."""
CONDITIONS = {
    'threads': 'threads: {}',
    **PANELS,
    'rounds': '{} interleaved rounds',
    'epochs': 'timed epochs: {}',
}
"""Wording of the conditions."""


@dataclass(frozen=True)
class Record:
    """Results of a benchmark.

    Attributes:
        what: Name of the benchmark.
        conditions: Conditions of all results: device, threads, rounds, versions, ...
        results: Flat dicts with keys of :data:`COLUMNS`; ratios are relative to the first.
        command: The command line.
    """

    what: str
    conditions: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]
    command: str = ''

    @classmethod
    def load(cls, path: str | os.PathLike) -> Record:
        """Read a file of :meth:`save`.

        Raises:
            ConfigError: If it is not one.
        """
        try:
            given = json.loads(Path(path).read_text())
            found = cls(**given)
            found.report()
        except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            keys = [field.name for field in fields(cls)]
            raise ConfigError(
                f'{path}: not the record of a benchmark, a JSON object of {keys}: '
                f'{type(error).__name__}: {error}'
            ) from error
        return found

    def columns(self) -> list[str]:
        """Return the keys of all results, in the order of the table."""
        keys = list(dict.fromkeys(key for result in self.results for key in result))
        unknown = set(keys) - set(COLUMNS)
        if unknown or not keys:
            raise KeyError(f'results with {sorted(unknown)}: expected some of {list(COLUMNS)}')
        return keys

    def common(self) -> dict[str, Any]:
        """Return the inputs shared by all results."""
        shown = [key for key in PANELS if key in self.columns()]
        values = {key: {result.get(key) for result in self.results} for key in shown}
        return {key: found.pop() for key, found in values.items() if len(found) == 1}

    def report(self) -> str:
        """Return the table and a line with the conditions."""
        common = self.common()
        keys = [key for key in self.columns() if key not in common]
        first = self.results[0][keys[0]]
        rows = [
            [
                '-' if result.get(key) is None else format(result[key], COLUMNS[key][1])
                for key in keys
            ]
            for result in self.results
        ]
        header = [COLUMNS[key][0].format(first=first) for key in keys]
        return f'{table(header, rows)}\n\n{self.machine()}'

    def machine(self) -> str:
        """Return the conditions as text."""
        given = dict(self.conditions)
        versions = given.pop('versions')
        words = [given.pop('device')] if 'device' in given else []
        given = {**self.common(), **given}
        order = sorted(given, key=lambda k: [*CONDITIONS, k].index(k))
        words += [CONDITIONS.get(k, f'{k} {{}}').format(given[k]) for k in order]
        return ', '.join([*words, f'torch {versions["torch"]}'])

    def draw(self) -> bytes:
        """Return an SVG bar chart of the medians, or else of the parameters or memory."""
        import matplotlib
        from matplotlib.figure import Figure

        keys = self.columns()
        value = next(key for key in ('median', 'mean', 'millions', 'kept') if key in keys)
        name = next(key for key in NAMES if key in keys)
        split = [key for key in PANELS if key in keys]
        panels: dict[tuple, list[Mapping[str, Any]]] = {}
        for result in self.results:
            panels.setdefault(tuple(result[key] for key in split), []).append(result)
        across = min(2, len(panels))
        down = -(-len(panels) // across)
        rows = max(map(len, panels.values()))
        figure = Figure(figsize=(6 * across, down * (1 + 0.25 * rows)))
        all_axes = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, (spot, results) in zip(all_axes, panels.items(), strict=False):
            _bars(axes, results, name, value)
            axes.set_xlabel(COLUMNS[value][0])
            words = [PANELS[key].format(v) for key, v in zip(split, spot, strict=True)]
            axes.set_title(', '.join(words))
        for axes in all_axes[len(panels) :]:
            axes.set_axis_off()
        figure.tight_layout()
        file = io.BytesIO()
        with matplotlib.rc_context({'svg.hashsalt': self.what}):  # equal records give equal bytes
            figure.savefig(file, format='svg', metadata={'Date': None})
        return file.getvalue()

    def save(self, stem: str | os.PathLike) -> None:
        """Write ``STEM.json``, ``STEM.md`` and ``STEM.svg``."""
        stem = str(stem).removesuffix('.json')
        write_atomic(f'{stem}.json', (json.dumps(asdict(self), indent=1) + '\n').encode())
        write_atomic(f'{stem}.md', (self.report() + '\n').encode())
        write_atomic(f'{stem}.svg', self.draw())


def _bars(axes: Any, results: Sequence[Mapping[str, Any]], name: str, value: str) -> None:
    """Draw one panel: a group of bars per name, with one bar per form."""
    names = list(dict.fromkeys(r[name] for r in results))
    forms = list(dict.fromkeys(r.get('form') for r in results))
    height = 0.8 / len(forms)
    for f, form in enumerate(forms):
        found = {r[name]: r[value] for r in results if r.get('form') == form}
        places = [names.index(n) + (f - (len(forms) - 1) / 2) * height for n in found]
        bars = axes.barh(places, list(found.values()), 0.95 * height, label=form)
        axes.bar_label(bars, fmt='%.1f', padding=2, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.spines[['top', 'right']].set_visible(False)
    if len(forms) > 1:
        axes.legend(frameon=False)


def conditions(device: str | None = None, **given: Any) -> dict[str, Any]:
    """Return conditions: device name and threads (with a device), versions, and those given."""
    versions = {'torch': torch.__version__, 'ppnas_mm': __version__}
    if device is None:
        return {**given, 'versions': versions}
    name = device_name(torch.device(device))
    return dict(device=name, threads=torch.get_num_threads(), **given, versions=versions)


def timed(
    keys: Sequence[str],
    runs: Mapping[tuple, Callable[[], Any]],
    device: str,
    rounds: int,
    warmup: int,
    mean: bool = False,
) -> list[dict[str, Any]]:
    """Time calls in interleaved rounds; return a result for each.

    Args:
        keys: Keys for the parts of a run's name, ``('network', 'form')``.
        runs: The calls, by name.
        device: ``'cpu'`` or ``'cuda'``.
        rounds: Timings of each.
        warmup: Calls of each before.
        mean: Whether to use the mean instead of the median.

    Returns:
        Dicts with the parts of the name, the median (or mean) and minimum in milliseconds, and the
        ratio of the median to that of the first run (of the same form, if names have a second
        part).  The medians are also printed on stderr during the run.
    """
    taken = samples(runs, torch.device(device), rounds, warmup)
    key, middle_of = ('mean', statistics.fmean) if mean else ('median', statistics.median)
    middle = {name: middle_of(values) for name, values in taken.items()}
    first = next(iter(runs))[0]
    results = []
    for name in runs:
        reference = (first, *name[1:])
        found: dict[str, Any] = dict(zip(keys, name, strict=True))
        found.update({key: middle[name], 'least': min(taken[name])})
        results.append({**found, 'ratio': middle[name] / middle[reference]})
        print(f'{" ".join(name)}: {middle[name]:.1f} ms', file=sys.stderr)
    return results
