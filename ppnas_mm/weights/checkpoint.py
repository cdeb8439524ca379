"""Weight files: read as data only, matched tensor by tensor, never loaded partly in silence."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from safetensors.torch import save
from torch import nn

from ..genotype import Genotype
from ..utils.checksums import ChecksumError, check_zip, read_safetensors, seal
from ..utils.files import write_atomic
from . import hub
from .fetch import SCHEME, locate

PREFIXES = ('', 'backbone.', 'module.', 'module.backbone.')


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read, or that belongs to another model."""


def load_checkpoint(
    path: str | Path, map_location: str = 'cpu', sha256: str | None = None
) -> dict[str, Any]:
    """Read a checkpoint (``.pth``, weights only) or weights (``.safetensors``).

    The file is read once, so the checked bytes are the used bytes.  Its checksums are checked, too
    (see :mod:`ppnas_mm.utils.checksums`, and which files have none).

    Args:
        path: A file, ``ppnas://NAME`` for weights of the model zoo, or ``hf://USER/NAME`` for those
            of a repository of the Hugging Face hub.
        map_location: Device to read to.
        sha256: Expected SHA-256; for ``ppnas://NAME`` the zoo's.

    Returns:
        A dict with ``state_dict`` and, if the file has it, ``meta``.

    Raises:
        CheckpointError: If the file is missing, damaged or holds anything but data.
        ZooError: If zoo or hub have no such weights, or they cannot be fetched.
    """
    if str(path).startswith(hub.SCHEME):
        path = hub.fetch_weights(str(path))
    if str(path).startswith(SCHEME):
        path, sha256 = locate(str(path))
    path = Path(path)
    try:
        content = _content(path, sha256)
        if path.suffix == '.safetensors':
            tensors, meta = read_safetensors(content)
            tensors = {key: value.to(map_location) for key, value in tensors.items()}
            return _with_genotype({'state_dict': tensors, 'meta': meta})
        check_zip(io.BytesIO(content))
        data = torch.load(io.BytesIO(content), map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f'checkpoint {path}: no such file') from None
    except ChecksumError as error:
        raise CheckpointError(f'checkpoint {path}: {error}') from None
    except pickle.UnpicklingError as error:
        raise CheckpointError(f'checkpoint {path}: {refusal(error)}') from None
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f'checkpoint {path}: cannot be read: {reason}') from None
    if not isinstance(data, dict):
        raise CheckpointError(f'checkpoint {path}: expected a dict, got {type(data).__name__}')
    return data if 'state_dict' in data else {'state_dict': data, 'meta': {}}


def _content(path: Path, sha256: str | None) -> bytes:
    """Read a file into memory; later changes of the file do not reach it."""
    content = path.read_bytes()
    if sha256 is not None:
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ValueError(f'SHA-256 is {found}, not {sha256}')
    return content


def _with_genotype(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Attach the architecture to the weights, so that any loader passes it to the backbone.

    torch passes this attribute to each module's ``_load_from_state_dict``.
    """
    found = signature(checkpoint)
    state: Any = OrderedDict(checkpoint['state_dict'])
    state._metadata = OrderedDict({'': dict(found), 'backbone': found})
    return {**checkpoint, 'state_dict': state}


def refusal(error: pickle.UnpicklingError) -> str:
    """Return in one line why torch did not unpickle a file."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    found = re.search(r'GLOBAL ([\w.]+)', str(error))
    if found:
        return f'refused: it names {found.group(1)}, but only tensors and plain data are read'
    return f'refused or damaged: {next((x for x in lines if "nsupported" in x), lines[0])}'


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a file for mmengine's ``load_from``, ``resume`` and ``Pretrained``, as data only."""
    if re.match(r'[\w+-]+://', filename):
        from mmengine.runner.checkpoint import CheckpointLoader

        known = [x for x in CheckpointLoader._schemes if re.fullmatch(r'[\w-]+://', x)]
        raise CheckpointError(f'checkpoint {filename}: expected a file or one of {sorted(known)}')
    return load_checkpoint(os.path.expanduser(filename), map_location or 'cpu')


def _refusing(loader: Callable) -> Callable:
    """Let a loader of mmengine (``http://``, ``torchvision://`` ...) name the file in its error."""

    @functools.wraps(loader)
    def load(filename: str, map_location: Any = None) -> dict[str, Any]:
        try:
            return loader(filename, map_location)
        except CheckpointError:
            raise
        except pickle.UnpicklingError as error:
            raise CheckpointError(f'checkpoint {filename}: {refusal(error)}') from None
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            reason = f'no such name: {reason}' if isinstance(error, KeyError) else reason
            raise CheckpointError(f'checkpoint {filename}: cannot be loaded: {reason}') from None

    load.__dict__['refusing'] = True
    return load


def refuse_code() -> None:
    """Let mmengine read checkpoints as data only, and name the file that it refuses.

    mmengine itself unpickles what torch refuses, including code.  The tools call this; an import
    of the package does not, so other programs decide for themselves.
    """
    from mmengine.runner.checkpoint import CheckpointLoader

    from .download import to_file

    torch.hub.download_url_to_file = to_file
    CheckpointLoader.register_scheme('', load_from_local, force=True)
    for prefix, loader in list(CheckpointLoader._schemes.items()):
        if prefix not in ('', SCHEME, hub.SCHEME) and not hasattr(loader, 'refusing'):
            CheckpointLoader.register_scheme(prefix, _refusing(loader), force=True)


def describe(model: nn.Module) -> dict[str, Any]:
    """Return what a checkpoint must share with a model: its algorithm, space and choices."""
    inner: Any = model.module if is_model_wrapper(model) else model
    info: dict[str, Any] = {'model': type(inner).__name__}
    super_net = getattr(inner, 'super_net', None)
    if super_net is not None:
        info['space'] = super_net.space
        info['choices'] = {name: list(c.candidates) for name, c in super_net.choices.items()}
    genotype = getattr(getattr(inner, 'backbone', inner), 'genotype', None)
    if genotype is not None:
        info['genotype'] = genotype.hash
    return info


def signature(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return :func:`describe` of the model that a checkpoint was saved from."""
    meta = checkpoint.get('meta', {})
    if isinstance(meta.get('genotype'), str):  # safetensors: all metadata is text
        return {'genotype': Genotype.from_json(meta['genotype']).hash}
    return meta.get('ppnas_mm', {})


def _problems(own: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """List the tensors of ``own`` that are missing in ``given`` or have another shape there."""
    return [f'{key} is missing' for key in own if key not in given] + [
        f'{key} is {tuple(given[key].shape)}, not {tuple(value.shape)}'
        for key, value in own.items()
        if key in given and given[key].shape != value.shape
    ]


def _advice(model: nn.Module) -> str:
    """Say that a deployed model cannot load training weights."""
    deployed = any(getattr(module, 'is_deployed', False) for module in model.modules())
    return ' (in its deployed form: load before switch_to_deploy())' if deployed else ''


def _listed(problems: list[str], count: int) -> str:
    return '; '.join(problems[:count]) + (' ...' if len(problems) > count else '')


def check_same_model(saved: dict[str, Any], model: nn.Module, where: str) -> None:
    """Raise :class:`CheckpointError` if a checkpoint is of another model, space or choices."""
    for key, value in describe(model).items():
        given = saved.get(key, value)
        if key == 'choices' and given != value:
            key = next(k for k in [*value, *given] if value.get(k) != given.get(k))
            given, value = given.get(key), value.get(key)
        if given != value:
            raise CheckpointError(f'{where} was made by another {key}: {given!r}, not {value!r}')


def check_backbone(
    backbone: nn.Module, state: dict[str, Any], prefix: str, told: dict[str, Any]
) -> None:
    """Refuse weights that fit a backbone only in part; ``told`` is what they say of themselves.

    Raises:
        CheckpointError: If they belong to another architecture, or a tensor is missing or differs.
    """
    genotype = told.get('genotype')
    if genotype is None or not any(key.startswith(prefix) for key in state):
        return
    check_same_model({'genotype': genotype}, backbone, 'the backbone of the weights')
    problems = _problems(backbone.state_dict(prefix=prefix), state)
    if problems:
        raise CheckpointError(
            f'the weights do not fit the backbone ({len(problems)} tensors): {_listed(problems, 3)}'
        )


def load_weights(model: nn.Module, path: str | Path, sha256: str | None = None) -> int:
    """Load all of a model's tensors from a file; return how many.

    A super-net is first pruned and merged like that of the file.  ``sha256`` is checked if given.

    Raises:
        CheckpointError: If any tensor is missing, left over or of another shape.
    """
    return load_state(model, load_checkpoint(path, sha256=sha256), f'checkpoint {path}')


def load_state(model: nn.Module, data: dict[str, Any], where: str) -> int:
    """Load all of a model's tensors from what :func:`load_checkpoint` read; return how many.

    Raises:
        CheckpointError: If any tensor is missing, left over or of another shape.
    """
    check_same_model(signature(data), model, where)
    given = data['state_dict']
    try:
        for name, module in model.named_modules():
            follow: Any = getattr(module, 'follow', None)  # of a super-net
            if follow is not None:
                follow(given, f'{name}.' if name else '')
    except RuntimeError as error:
        raise CheckpointError(f'{where} does not fit the model: {error}') from None
    own = model.state_dict()
    problems = _problems(own, given)
    problems += [f'{key} is not in the model' for key in given if key not in own]
    if problems:
        raise CheckpointError(
            f'{where} does not fit the model{_advice(model)} '
            f'({len(problems)} of {len(own)} tensors): {_listed(problems, 3)}'
        )
    model.load_state_dict(given)
    return len(own)


def load_backbone(
    backbone: nn.Module,
    checkpoint: str | Path,
    prefix: str | None = None,
    allow_partial: bool = False,
    map_location: str = 'cpu',
    new: Sequence[str] = (),
) -> int:
    """Load a backbone from the checkpoint of a backbone, classifier, detector or segmentor.

    Everything else in the file (heads, necks, optimizers) is ignored.

    Args:
        backbone: The backbone.
        checkpoint: ``.pth``, ``.safetensors``, ``ppnas://NAME`` or ``hf://USER/NAME``.
        prefix: Prefix of the backbone's keys in the file; ``None`` takes the one of
            :data:`PREFIXES` that fits best.
        allow_partial: Whether some tensors are enough.
        map_location: Device to read the file to.
        new: Names of modules that the file cannot have, so that they keep their values.

    Returns:
        The number of loaded tensors; the log has the total.

    Raises:
        CheckpointError: If the file belongs to another architecture, or a tensor is missing.
    """
    data = load_checkpoint(checkpoint, map_location)
    return fill_backbone(backbone, data, checkpoint, prefix, allow_partial, new)


def fill_backbone(
    backbone: nn.Module,
    data: dict[str, Any],
    checkpoint: str | Path,
    prefix: str | None = None,
    allow_partial: bool = False,
    new: Sequence[str] = (),
) -> int:
    """Load a backbone from what :func:`load_checkpoint` read (see :func:`load_backbone`)."""
    genotype = signature(data).get('genotype')
    if genotype is not None and not allow_partial:
        check_same_model({'genotype': genotype}, backbone, f'the backbone of {checkpoint}')
    skipped, state = tuple(f'{name}.' for name in new), data['state_dict']
    own = {k: v for k, v in backbone.state_dict().items() if not k.startswith(skipped)}
    prefixes = PREFIXES if prefix is None else (prefix.rstrip('.') + '.' if prefix else '',)
    parts = [{k[len(p) :]: v for k, v in state.items() if k.startswith(p)} for p in prefixes]
    given = max(parts, key=lambda part: len(own.keys() & part.keys()))
    problems = _problems(own, given)
    found = len(own) - len(problems)
    if not found or (problems and not allow_partial):
        raise CheckpointError(
            f'checkpoint {checkpoint}: only {found}/{len(own)} tensors of the backbone'
            f'{_advice(backbone)} found (allow_partial=True accepts some): {_listed(problems, 20)}'
        )
    fitting = {k: given[k] for k in own if k in given and given[k].shape == own[k].shape}
    backbone.load_state_dict(fitting, strict=False)
    text = f'{checkpoint}: {found}/{len(own)} tensors of the backbone loaded'
    text += f', {len(new)} blocks are new' if new else ''
    print_log(text + (f'; not loaded: {_listed(problems, 20)}' if problems else ''), 'current')
    return found


def to_safetensors(model: nn.Module, genotype: Genotype) -> bytes:
    """Return the content of a safetensors file: the weights; genotype and checksum as metadata."""
    # shared tensors (convolutions of several pyramid levels) are written once for each key
    state = {
        key: value.detach().cpu().clone().contiguous() for key, value in model.state_dict().items()
    }
    return seal(save(state, {'genotype': genotype.to_json()}))


def save_derived(model: nn.Module, genotype: Genotype, path: str | os.PathLike) -> None:
    """Write the weights as safetensors, with the genotype in the metadata, atomically."""
    write_atomic(path, to_safetensors(model, genotype))
