"""The commands that a report offers after a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PLACE = 'WORK_DIR'
"""Stands for the work dir; the page in a browser replaces it by its own folder."""


def _own_config(record: Mapping[str, Any], files: Sequence[str]) -> str:
    """Return the copy of the search's config in its work dir."""
    return f'{_home(record, files)}/{record.get("config", "CONFIG.py")}'


def _home(record: Mapping[str, Any], files: Sequence[str]) -> str:
    """Return where config and checkpoints are: of several seeds, the work dir of the best."""
    return f'{PLACE}/seed-{record["seed"]}' if 'seeds.json' in files else PLACE


def next_steps(record: Mapping[str, Any], state: str, files: Sequence[str]) -> dict[str, str]:
    """Return the commands that go on from a search, each under what it does.

    Args:
        record: The content of ``search.json``.
        state: See :func:`~.report_data.state_of`.
        files: Names of the files in the work dir.
    """
    own = _own_config(record, files)
    if state == 'running':
        resume = f'ppnas search {own} --work-dir {PLACE} --resume'
        return {'Continue the search, if it was stopped': resume}
    if state == 'failed':
        search = f'ppnas search {own} --work-dir {PLACE}/again --seed'
        return {'Search again with another seed': f'{search} {record["seed"] + 1}'}
    steps = {}
    if 'config.py' in files:
        config = f'{PLACE}/config.py'
        weights = f'{config} {PLACE}/derived.safetensors'
        train = f'ppnas train {config} --work-dir {PLACE}/trained'
        steps['Train the network from the weights of the search'] = train
        steps['Train it from scratch'] = f'{train} --cfg-options model.backbone.init_cfg=None'
        steps['Test it with the weights of the search'] = f'ppnas test {weights}'
        steps['Derive it once more from the last checkpoint'] = (
            f'ppnas derive {_home(record, files)} --out {PLACE}/derived'
        )
        steps['Deploy it as an ONNX file'] = (
            f'ppnas export {weights} {export_options(record)} --out {PLACE}/network.onnx'
        )
    steps['Draw it'] = f'ppnas visualize {PLACE}/genotype.json --out {PLACE}/network.png'
    return steps


def image_size(record: Mapping[str, Any]) -> str:
    """Return height and width of the images of a search as words; 224 where they are not known."""
    shape = record.get('result', {}).get('costs', {}).get('input_shape', [3, 224, 224])
    return ' '.join(str(side) for side in dict.fromkeys(shape[1:]))


def export_options(record: Mapping[str, Any]) -> str:
    """Return the options that export what a search found: a classifier, or else its backbone."""
    settings = record.get('settings', {})
    scope, dot, _ = str(settings.get('model.model.type', '')).partition('.')
    scope = scope if dot else settings.get('default_scope', 'mmpretrain')
    options = f'--format onnx --size {image_size(record)}'
    return options if scope == 'mmpretrain' else f'{options} --backbone'


def latency_command(record: Mapping[str, Any], files: Sequence[str]) -> str:
    """Return the command that measures the latency of each candidate on this machine."""
    size = max(map(int, image_size(record).split()))
    return (
        f'ppnas benchmark latency-table {_own_config(record, files)} --size {size} '
        f'--out {PLACE}/latency.json'
    )
