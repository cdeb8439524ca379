"""Titles of networks and notes of stages in pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..genotype import Genotype
from ..utils.tables import figure
from .picture import printable

SCORES = {
    'accuracy/top1': 'top-1',
    'coco/bbox_mAP': 'box AP',
    'pascal_voc/mAP': 'mAP',
    'mIoU': 'mIoU',
}
"""The main metric of a network, and its name in a title."""

LONGEST = 120


def found_title(genotype: Genotype, record: Any = None) -> str | None:
    """Return e.g. ``ppnas_digits, seed 0, top-1 99.17``, or ``None`` if no search found it.

    Args:
        genotype: The architecture; its provenance names config and seed.
        record: The content of the search's ``search.json``, which has the score of the derived
            network; a record of another architecture is ignored.
    """
    search = genotype.provenance.get('search')
    if not isinstance(search, Mapping):
        return None
    words = [str(Path(str(search.get('config') or search.get('algorithm') or 'search')).stem)]
    if search.get('seed') is not None:
        words.append(f'seed {search["seed"]}')
    if search.get('epoch') != search.get('epochs'):
        words.append(f'epoch {search.get("epoch")} of {search.get("epochs")}')
    words += _score(genotype, record)
    return printable(', '.join(words))[:LONGEST]


def _score(genotype: Genotype, record: Any) -> list[str]:
    """Return the score of the derived network as text, or nothing."""
    try:
        result = record['result']
        if result['genotype'] != genotype.hash:
            return []
        metrics = result['derived']['metrics']
        name = next((name for name in SCORES if name in metrics), None) or next(iter(metrics))
        return [f'{SCORES.get(name, name)} {figure(float(metrics[name]))}']
    except (AttributeError, LookupError, StopIteration, TypeError, ValueError):
        return []  # a search that is still running, or without validation


def title_of_file(genotype: Genotype, path: str | os.PathLike) -> str:
    """Return the title of an architecture file: that of its search, else the name of the file.

    The score comes from the ``search.json`` beside the file.
    """
    path = Path(path)
    try:
        record = json.loads(path.with_name('search.json').read_bytes())
    except (OSError, ValueError, RecursionError):
        record = None
    return found_title(genotype, record) or path.stem


def stage_notes(backbone: Any) -> dict[str, str]:
    """Return resolution and channels of a chain's stages, e.g. ``1/8 resolution, 40 channels``.

    Args:
        backbone: A network; without searched stages the result is empty.
    """
    stages = getattr(backbone, 'searched', {})
    return {
        name: f'{f"1/{stride}" if stride > 1 else "full"} resolution, {channels} channels'
        for name, (channels, stride) in stages.items()
    }
