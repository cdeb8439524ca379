"""What a search leaves for the next step: a whole config of the network that it found."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..algorithms.base import SearchAlgorithm
from ..config.keys import type_name
from ..genotype import Genotype
from ..utils.files import read_json
from ..visualize.report_steps import export_options
from .work_dir import NETWORK

LEFT_OUT = ('model_wrapper_cfg', 'load_from', 'resume', 'launcher', 'work_dir', 'experiment_name')
"""Keys of a search's config that its network does not need."""


def network_config(
    search: Config, algorithm: SearchAlgorithm, genotype: Genotype, weights: str
) -> Config:
    """Return a config that trains and tests the network that a search found.

    It is whole: OpenMMLab's own tools run it where this package is installed, which it imports.
    Data, heads, losses, optimizer and schedule are those of the search's weights.

    Args:
        search: The config of the search.
        algorithm: The search.
        genotype: What it found; the config contains it.
        weights: Name of the file of the derived network's weights, which the backbone starts from;
            it lies beside the config.
    """
    source, model = algorithm.inherited
    backbone = dict(source.backbone.backbone_config(genotype))
    place = f'{{{{ fileDirname }}}}/{weights}'  # mmengine's word: the folder of the config
    backbone['init_cfg'] = dict(type='Pretrained', checkpoint=place, prefix='backbone.')
    found = {key: copy.deepcopy(value) for key, value in search.items() if key not in LEFT_OUT}
    found['custom_imports'] = _with_own(found.get('custom_imports') or {})
    found['model'] = {**copy.deepcopy(model), 'backbone': backbone}
    found['optim_wrapper'] = _of_weights(found.get('optim_wrapper') or {})
    schedule = found.get('param_scheduler')
    if isinstance(schedule, Mapping) and 'type' not in schedule:
        found['param_scheduler'] = schedule.get('weights', [])
    own = found.get('train_cfg') or {}
    epochs = own.get('max_epochs', 1)
    found['train_cfg'] = dict(by_epoch=True, max_epochs=epochs, val_interval=epochs)
    if own.get('val_interval'):
        found['train_cfg']['val_interval'] = min(own['val_interval'], epochs)
    for key in ('default_hooks', 'custom_hooks'):
        if found.get(key):
            found[key] = _without_search(found[key])
    return Config(found)


def _with_own(imports: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``custom_imports`` with this package, whose guards must act before a runner starts."""
    given = imports.get('imports') or []
    others = [given] if isinstance(given, str) else [name for name in given if name != 'ppnas_mm']
    return {**imports, 'imports': [*others, 'ppnas_mm']}


def _of_weights(wrapper: Mapping[str, Any]) -> dict[str, Any]:
    """Return the optimizer wrapper of the weights."""
    if 'weights' not in wrapper:
        return dict(wrapper)
    return {'type': 'OptimWrapper', **wrapper['weights']}


def _without_search(hooks: Any) -> Any:
    """Return hooks without those that only a search has."""
    if isinstance(hooks, Mapping):
        return {k: v for k, v in hooks.items() if not _is_search(v)}
    return [hook for hook in hooks if not _is_search(hook)]


def _is_search(hook: Any) -> bool:
    return type_name(hook or {}).split('.')[-1] == 'SearchHook'


def next_steps(work_dir: str | Path) -> str:
    """Return the commands that use what a search has left, for its log; '' if there is nothing."""
    folder = Path(work_dir)
    if not (folder / NETWORK).is_file():
        return ''
    options = export_options(read_json(folder / 'search.json'))
    file, weights, onnx = (
        shlex.quote(str(folder / name)) for name in (NETWORK, 'derived.safetensors', 'network.onnx')
    )
    return '\n'.join(
        [
            'Next:',
            f'  ppnas test {file} {weights}',
            f'  ppnas train {file}  # from these weights; from scratch:',
            f'  ppnas train {file} --cfg-options model.backbone.init_cfg=None',
            f'  ppnas export {file} {weights} {options} --out {onnx}',
        ]
    )
