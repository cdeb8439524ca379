"""Writes a config as mmengine's pure-Python form: classes are imported, no scope is set."""

import inspect
from pathlib import Path
from typing import Any

from mmengine import registry
from mmengine.registry import Registry

from ppnas_mm.config.load import load_config

KINDS = (
    'MODELS', 'DATASETS', 'TRANSFORMS', 'HOOKS', 'METRICS', 'EVALUATOR', 'OPTIMIZERS', 'LOOPS',
    'OPTIM_WRAPPERS', 'OPTIM_WRAPPER_CONSTRUCTORS', 'PARAM_SCHEDULERS', 'DATA_SAMPLERS',
    'VISUALIZERS', 'VISBACKENDS', 'FUNCTIONS', 'WEIGHT_INITIALIZERS', 'TASK_UTILS',
)  # fmt: skip


def resolve(name: str, scope: str) -> Any:
    """The class that a config of a scope means by a name, or the name if it means none."""
    for kind in KINDS:
        root: Registry = getattr(registry, kind)
        with root.switch_scope_and_registry(scope) as here:
            found = here.get(name)
        if inspect.isclass(found):
            return found
    return name  # a function


def write_pure_python(source: str | Path, target: Path) -> Path:
    """Write ``source`` to ``target`` with each ``type`` as an imported class."""
    config = load_config(source)
    scope = config.default_scope
    imports: dict[str, str] = {}

    def text(node: Any) -> str:
        if isinstance(node, dict):
            if node.get('type') == 'RandomResize':  # without a scope its default is mmcv's
                node = {**node, 'resize_type': 'Resize'}
            return 'dict(' + ', '.join(f'{k}={entry(k, v)}' for k, v in node.items()) + ')'
        if isinstance(node, (list, tuple)):
            inner = ''.join(f'{text(v)}, ' for v in node)
            return f'[{inner}]' if isinstance(node, list) else f'({inner})'
        return repr(node)

    def entry(key: str, value: Any) -> str:
        if key not in ('type', 'constructor', 'resize_type') or not isinstance(value, str):
            return text(value)
        kind = resolve(value, scope)
        if kind == value:
            return repr(value)
        name = f'{kind.__name__}_{len(imports)}'
        imports.setdefault(f'{kind.__module__}.{kind.__name__}', name)
        return imports[f'{kind.__module__}.{kind.__name__}']

    lines = [
        f'{key} = {text(value)}'
        for key, value in config.to_dict().items()
        if key not in ('default_scope', 'launcher')
    ]
    names = {name: full.rpartition('.') for full, name in imports.items()}
    head = [f'from {module} import {kind} as {name}' for name, (module, _, kind) in names.items()]
    target.write_text('\n'.join([*head, 'default_scope = None', *lines, '']))
    return target
