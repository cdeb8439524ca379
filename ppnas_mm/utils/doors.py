"""Keeps untrusted files from running code in the tools (docs/reference/doors.md).

The libraries read files at many places, but by few functions: ``pickle``, ``yaml.load``,
``numpy.load``, ``torch.load`` and mmengine's ``Config.fromstring``.  These are replaced in the
process of a tool.  An import of the package replaces none: other programs decide for themselves.
"""

from __future__ import annotations

import ast
import builtins
import codecs
import collections
import functools
import io
import math
import os
import pickle
import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import yaml
from yaml.constructor import ConstructorError

TRUST = 'PPNAS_TRUST_PICKLE'
"""Environment: files, separated as in ``PATH``, whose pickles are read, code and all."""
LIBRARIES = ('mmengine', 'mmcv', 'mmpretrain', 'mmdet', 'mmseg')
OWN_MEMORY = (
    'mmengine.dataset.base_dataset',
    'mmengine.dist.dist',
    'mmdet.utils.dist_utils',
    'mmdet.evaluation.metrics.base_video_metric',
)
"""Modules that unpickle only what the run itself has pickled before."""
CHECKED = ('mmpretrain.datasets.cifar',)
"""Modules that unpickle files with a known checksum; they get arrays and plain data."""
NAMES = (
    'file',
    'filename',
    'filepath',
    'file_path',
    'local_path',
    'xml_path',
    'annotation_file',
    'path',
    'fp',
    'f',
)
ALIASES = 100
"""How many times its own size a YAML file may grow by its references."""
_Safe: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class RefusedFileError(ValueError):
    """A file that could run code."""


def close() -> None:
    """Close all doors of this process; its children keep those that are environment."""
    import numpy
    from mmengine.config import Config

    # torch's own switch: whoever calls torch.load reads data, never code
    os.environ.pop('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', None)
    os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '1'
    replacements: tuple[tuple[Any, str, Callable], ...] = (
        (pickle, 'load', _unpickling),
        (pickle, 'loads', _unpickling),
        (yaml, 'load', _plain_yaml),
        (numpy, 'load', _plain_arrays),
        (Config, 'fromstring', _values_only),
    )
    for owner, name, guard in replacements:
        current = getattr(owner, name)
        if not hasattr(current, 'door'):
            guarded: Any = functools.wraps(current)(guard(current))
            guarded.door = True
            setattr(owner, name, staticmethod(guarded) if owner is Config else guarded)


def closed() -> bool:
    """Tell whether this is the process of a tool."""
    return hasattr(pickle.load, 'door')


def close_imports() -> None:
    """Let a ``type`` be a registered name only, no object of any module; for configs of data."""
    from mmengine.registry import registry

    registry.get_object_from_string = lambda name: None


def _name(file: Any) -> str:
    """Return the name of a path or an open file."""
    name = file if isinstance(file, (str, os.PathLike)) else getattr(file, 'name', '')
    return str(name) if isinstance(name, (str, os.PathLike)) else ''


def named(frame: FrameType | None) -> str:
    """Return the file that a reader up the stack was reading; empty if there is none."""
    for _ in range(8):
        if frame is None:
            break
        for name in NAMES:
            if found := _name(frame.f_locals.get(name)):
                return found
        results = frame.f_locals.get('results')  # of a pipeline
        if isinstance(results, dict) and 'img_path' in results:
            return str(results['img_path'])
        frame = frame.f_back
    return ''


def _trusted(file: Any) -> bool:
    """Tell whether the user has named a file as one whose code may run."""
    given = [os.path.realpath(x) for x in os.environ.get(TRUST, '').split(os.pathsep) if x]
    return bool(_name(file)) and os.path.realpath(_name(file)) in given


class _Arrays(pickle.Unpickler):
    """Reads plain data and numpy arrays."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few functions that build an array."""
        from numpy import dtype, ndarray

        build = ndarray(0).__reduce__()[0]
        known = {
            'multiarray._reconstruct': build,
            'numpy.ndarray': ndarray,
            'numpy.dtype': dtype,
            '_codecs.encode': codecs.encode,
            'collections.OrderedDict': collections.OrderedDict,
        }
        found = known.get(re.sub(r'^numpy\._?core\.', '', f'{module}.{name}'))
        if found is None:
            raise RefusedFileError(f'refused: it names {module}.{name}, but only arrays are read')
        return found


def _unpickling(read: Callable) -> Callable:
    """Guard ``pickle.load`` or ``pickle.loads`` against the readers of the libraries."""

    def guard(source: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        module = frame.f_globals.get('__name__', '')
        if module.split('.')[0] not in LIBRARIES or module in OWN_MEMORY:
            return read(source, **kwargs)
        if module in CHECKED:
            try:
                return _Arrays(io.BytesIO(source), **kwargs).load()
            except RefusedFileError as error:
                raise RefusedFileError(f'{named(frame)}: {error}') from None
        own = source
        if module.endswith('.pickle_handler') and not hasattr(source, 'name') and frame.f_back:
            own = frame.f_back.f_locals.get(
                'file'
            )  # of mmengine's load(), which hands on its bytes
        if _trusted(own):
            return read(source, **kwargs)
        raise RefusedFileError(_pickled(named(frame)))

    return guard


def _pickled(name: str) -> str:
    return (
        f'{name}: refused: it is a pickle, which can run code; save it as .json, or set '
        f'{TRUST}={name} if you trust whoever made it'
    )


class PlainLoader(_Safe):
    """Reads YAML as data: no tags of Python but the tuple, no growth by references."""

    def construct_document(self, node: Any) -> Any:
        """Build the data, once its size is known."""
        sizes: dict[int, float] = {}
        if _grown(node, sizes) > max(1e6, ALIASES * len(sizes)):
            raise ConstructorError(None, None, 'its references grow without a limit', None)
        return super().construct_document(node)


PlainLoader.add_constructor(
    'tag:yaml.org,2002:python/tuple', lambda loader, node: tuple(loader.construct_sequence(node))
)


def _grown(node: Any, sizes: dict[int, float]) -> float:
    """Count the nodes below a node of YAML with its references written out."""
    if id(node) not in sizes:
        sizes[id(node)] = math.inf  # while it is counted: a node in itself has no end
        children = node.value if isinstance(node.value, list) else []
        parts = [x for child in children for x in (child if isinstance(child, tuple) else [child])]
        sizes[id(node)] = 1 + sum(_grown(part, sizes) for part in parts)
    return sizes[id(node)]


class UniqueLoader(PlainLoader):
    """Also refuses a key that is given twice, of which YAML readers keep the last."""

    def construct_document(self, node: Any) -> Any:
        """Check the keys of all mappings, before those they refer to are merged in."""
        seen, left = set[int](), [node]
        while left:
            one = left.pop()
            if id(one) in seen or not isinstance(one.value, list):
                continue
            seen.add(id(one))
            if isinstance(one, yaml.MappingNode):
                _check_keys(one)
                left += [child for pair in one.value for child in pair]
            else:
                left += one.value
        return super().construct_document(node)


def _check_keys(node: yaml.MappingNode) -> None:
    keys = set[tuple[str, str]]()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(':merge'):
            continue
        if (key.tag, key.value) in keys:
            text = f'line {key.start_mark.line + 1}: the key {key.value!r:.60} is given twice'
            raise ConstructorError(None, None, text, None)
        keys.add((key.tag, key.value))


def read_yaml(stream: Any, name: str, unique: bool = True) -> Any:
    """Read YAML as data.

    Args:
        stream: Text or an open file.
        name: Its name in messages.
        unique: Whether a key that is given twice is refused, too.

    Raises:
        RefusedFileError: If it has tags that build objects, grows without a limit, or is no YAML.
    """
    try:
        return _yaml_load(stream, UniqueLoader if unique else PlainLoader)
    except ConstructorError as error:
        tag = re.search(r"tag '([^']+)'", str(error.problem))
        found = (
            f'its tag {tag.group(1)} builds an object; only plain YAML is read'
            if tag
            else error.problem
        )
        raise RefusedFileError(f'{name}: refused: {found}') from None
    except yaml.YAMLError as error:
        raise RefusedFileError(f'{name}: no YAML: {" ".join(str(error).split())}') from None


_yaml_load = yaml.load


def _plain_yaml(read: Callable) -> Callable:
    """Let ``yaml.load`` build data only, whatever loader it is given."""

    def guard(stream: Any, Loader: Any = None) -> Any:  # noqa: N803
        return read_yaml(stream, named(sys._getframe(1)), unique=False)

    return guard


def _plain_arrays(read: Callable) -> Callable:
    """Let ``numpy.load`` build arrays only, whatever its caller allows."""

    def guard(file: Any, mmap_mode: Any = None, allow_pickle: bool = False, **kwargs: Any) -> Any:
        try:
            return read(file, mmap_mode, allow_pickle and _trusted(file), **kwargs)
        except ValueError as error:
            if 'pickle' not in str(error):
                raise
            name = _name(file) or named(sys._getframe(1))
            text = f'{name}: refused: no numpy file, or with pickled objects, which can run code'
            raise RefusedFileError(text) from None

    return guard


def _values_only(read: Callable) -> Callable:
    """Let ``Config.fromstring`` read a checkpoint's config (``Runner.resume``) as values."""

    def guard(cfg_str: str, file_format: str) -> Any:
        from mmengine.config import Config

        return Config(values(cfg_str)) if file_format == '.py' else read(cfg_str, file_format)

    return guard


def values(text: str) -> dict[str, Any]:
    """Read what ``Config.pretty_text`` writes: assignments of plain values.

    Raises:
        RefusedFileError: If it is anything else.
    """
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RefusedFileError(f'the config in the checkpoint is damaged: {error}') from None
    found = {}
    for line in body:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = _value(value)
            case _:
                raise _refuse_line(line)
    return found


def _refuse_line(node: Any) -> RefusedFileError:
    return RefusedFileError(
        f'the config in the checkpoint: refused: line {node.lineno} is code '
        f'({ast.unparse(node)[:60]}), but only values are read'
    )


def _value(node: Any) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id='inf' | 'nan' as name):
            return float(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            kind = getattr(builtins, type(node).__name__.lower())
            return kind(_value(item) for item in items)
        case ast.Dict(keys=keys, values=items) if None not in keys:
            return {_value(k): _value(v) for k, v in zip(keys, items, strict=True)}
        case ast.Call(func=ast.Name(id='dict'), args=[], keywords=keywords) if all(
            k.arg for k in keywords
        ):
            return {k.arg: _value(k.value) for k in keywords}
    raise _refuse_line(node)
