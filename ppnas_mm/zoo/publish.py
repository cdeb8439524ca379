"""Publishes the weights of a checkpoint in the model zoo, with their score."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..config.keys import ConfigError
from ..engine.runner import Runner
from ..genotype import Genotype, published
from ..utils.files import write_atomic
from ..utils.tables import figure
from ..weights import hub
from ..weights.checkpoint import CheckpointError, load_checkpoint, load_state, to_safetensors
from ..weights.index import NAME, Made, ZooError, add_entry, load_index, parse_entry
from .card import card

METRICS = {
    'accuracy/top1': 'Top 1 Accuracy',
    'coco/bbox_mAP': 'box AP',
    'pascal_voc/mAP': 'mAP',
    'mIoU': 'mIoU',
}
"""The main score of a model: its name in an evaluator, and in a metafile."""


def chosen_state(checkpoint: Mapping[str, Any], ema: bool, where: str) -> dict[str, Any]:
    """Return the weights to publish: the averaged ones, or those of the optimizer.

    mmengine's ``EMAHook`` exchanges them when it saves: ``state_dict`` holds the averages and
    ``ema_state_dict`` the others, as ``module.KEY``.

    Raises:
        CheckpointError: If ``ema`` is set and there are no averages.
    """
    state, other = checkpoint['state_dict'], checkpoint.get('ema_state_dict')
    if ema and other is None:
        raise CheckpointError(
            f'{where}: --ema: it has no averaged weights (ema_state_dict); '
            'train with EMAHook, or omit --ema'
        )
    if ema or other is None:
        return dict(state)
    moved = {k[len('module.') :]: v for k, v in other.items() if k.startswith('module.')}
    return {**state, **moved}


def _published_name(genotype: Genotype) -> str | None:
    """Return the published name of an architecture, if it has one."""
    names = (n for n in sorted(published()) if Genotype.load(n).hash == genotype.hash)
    return next(names, None)


def _place(name: str, folder: Path, replace: bool) -> tuple[Path, Path]:
    """Return the file of weights and the index, if the name may be used."""
    path, index = folder / f'{name}.safetensors', folder.resolve().parent / 'index.json'
    if not NAME.fullmatch(name):
        raise ZooError(f'--name {name!r}: expected arch.tag of a-z, 0-9, _ and -')
    taken = path.exists() or (index.exists() and name in load_index(index))
    if taken and not replace:
        raise ZooError(f'{name} exists: {path} or {index}; --replace replaces file and entry')
    return path, index


def _inside(path: Path, root: Path, what: str) -> str:
    path, root = path.resolve(), root.resolve()
    if not path.is_relative_to(root):
        raise ConfigError(f'{what} {path}: expected a path inside {root}')
    return path.relative_to(root).as_posix()


def _input(runner: Runner) -> dict[str, Any]:
    """Return the test input of a runner's model: size, normalisation, classes."""
    model: Any = runner.model
    loader: Any = runner.test_dataloader
    batch = model.data_preprocessor(next(iter(loader)))
    size = [int(n) for n in batch['inputs'].shape[1:]]
    values = {'mean': [0.0] * size[0], 'std': [1.0] * size[0]}
    for key in values:
        if hasattr(model.data_preprocessor, key):
            numbers = getattr(model.data_preprocessor, key).flatten().cpu().numpy()
            values[key] = [float(str(number)) for number in numbers]  # as the config writes them
    classes = [str(name) for name in loader.dataset.metainfo['classes']]
    return {'input_size': size, 'normalisation': values, 'classes': classes}


def _metric(runner: Runner, scores: Mapping[str, float], key: str | None) -> dict[str, Any]:
    """Return the score for the index: the requested one, or the first known one.

    It is rounded as ``tools/test.py`` prints it, so that readers can compare digit by digit.
    """
    key = key or next((k for k in METRICS if k in scores), '')
    if key not in scores:
        raise ConfigError(f'--metric: expected one of {sorted(scores)}, got {key!r}')
    if not math.isfinite(scores[key]):
        raise ZooError(f'the test gives {key}={scores[key]}; such weights are not published')
    dataset: Any = runner.test_dataloader.dataset
    name = f'{type(dataset).__name__} ({len(dataset)} test images)'
    return {
        'name': METRICS.get(key, key),
        'value': float(figure(scores[key])),
        'dataset': name,
    }


def _entry(
    runner: Runner, path: Path, content: bytes, genotype: Genotype, metric: str | None
) -> dict[str, Any]:
    """Return the entry of a file and of the test of its weights."""
    return {
        'name': path.stem,
        'genotype': _published_name(genotype) or f'{path.parent.name}/{path.stem}.json',
        'genotype_hash': genotype.hash,
        'urls': [f'{path.parent.name}/{path.name}'],
        'size': len(content),
        'sha256': hashlib.sha256(content).hexdigest(),
        **_input(runner),
        'metric': _metric(runner, runner.test(), metric),
    }


def _trained(
    config: Any, config_path: str | Path, checkpoint: str | Path, ema: bool
) -> tuple[Runner, Genotype]:
    """Return a runner whose model has the weights of a checkpoint, and its architecture."""
    where = f'checkpoint {checkpoint}'
    data = load_checkpoint(checkpoint)
    runner = Runner.from_cfg(config)
    genotype = getattr(getattr(runner.model, 'backbone', None), 'genotype', None)
    if genotype is None:
        raise ConfigError(f'{config_path}: the model has no searched backbone to publish')
    load_state(runner.model, {**data, 'state_dict': chosen_state(data, ema, where)}, where)
    return runner, genotype


def publish(
    config: Any,
    config_path: str | Path,
    checkpoint: str | Path,
    name: str,
    folder: str | Path,
    source: str = '',
    ema: bool = False,
    test: bool = True,
    metric: str | None = None,
    licence: str = 'Apache-2.0',
    replace: bool = False,
    push: str | None = None,
) -> tuple[Path, Made | None]:
    """Write the weights of a checkpoint as safetensors, test them, and put them into the index.

    A model card (``README.md``) is written beside the file.  Optimizer and training state are left
    out.  Nothing is written if a tensor does not fit, or the
    test fails.

    Args:
        config: A loaded config of the derived network.
        config_path: Its path, inside the folder above the zoo.
        checkpoint: ``.pth`` or ``.safetensors``.
        name: ``arch.tag``; the file is ``NAME.safetensors``.
        folder: Gets the file, e.g. ``model_zoo/NAME``; the index is ``index.json`` beside it.
        source: Log or command that made the weights.
        ema: Whether to publish the averaged weights.
        test: Whether to test on the config's test data and write the entry of the index.
        metric: Score of the test for the index; ``None`` takes the first of :data:`METRICS`.
        licence: SPDX identifier of the weights.
        replace: Whether file and entry of the same name may be replaced.
        push: ``USER/NAME`` on the Hugging Face hub, which gets file, entry and card, too.

    Returns:
        The file, and the entry if it was written.

    Raises:
        CheckpointError: If the checkpoint cannot be read, does not fit or has no averages.
        ConfigError: If the config has no searched backbone or is outside that folder.
        ZooError: If the entry is wrong, its name exists, or the hub does not take it.
    """
    path, index = _place(name, Path(folder), replace)
    if push is not None:
        hub.check_repository(push)
    relative = _inside(Path(config_path), index.parent.parent, 'config') if test else ''
    runner, genotype = _trained(config, config_path, checkpoint, ema)
    content = to_safetensors(runner.model, genotype)
    if not test:
        write_atomic(path, content)
        return path, None
    entry = {
        **_entry(runner, path, content, genotype, metric),
        'config': relative,
        'source': source,
        'licence': licence,
    }
    written = _write(path, content, genotype, entry, index, replace)
    if push is not None:
        share(written, content, genotype, push)
    return path, written


def share(entry: Made, content: bytes, genotype: Genotype, repository: str) -> str:
    """Push weights, entry and card to the Hugging Face hub; return the address.

    Raises:
        ZooError: If it fails; what is in the zoo stays.
    """
    stored = {**asdict(entry), 'urls': [hub.WEIGHTS]}
    if str(entry.genotype).endswith('.json'):
        stored['genotype'] = 'genotype.json'
    files = {
        hub.WEIGHTS: content,
        hub.ENTRY: (json.dumps(stored, indent=1) + '\n').encode(),
        'genotype.json': genotype.to_json().encode(),
        hub.CARD: card(entry, genotype, repository).encode(),
    }
    return hub.push(repository, files, f'{entry.name}, published by ppnas_mm')


def _write(
    path: Path, content: bytes, genotype: Genotype, entry: Any, index: Path, replace: bool
) -> Made:
    """Write file, genotype and entry; restore the old files if the entry is refused."""
    found = parse_entry(entry)
    files = {path: content, path.with_name(hub.CARD): card(found, genotype).encode()}
    if entry['genotype'].endswith('.json'):
        files[index.parent / entry['genotype']] = genotype.to_json().encode()
    before = {p: p.read_bytes() for p in files if p.exists()}
    try:
        for file, text in files.items():
            write_atomic(file, text)
        return add_entry(index, entry, replace)
    except BaseException:
        for file in files:
            if file in before:
                write_atomic(file, before[file])
            else:
                file.unlink(missing_ok=True)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        raise
