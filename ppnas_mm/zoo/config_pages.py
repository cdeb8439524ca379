"""Tables of the configs for readers, from their first comments and the metafiles beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config

NOTE = (
    '<!-- Written by tools/zoo.py --configs from the comments and metafiles of the configs. -->\n'
)
INTRODUCTIONS = {
    'classification': (
        'Train and retrain classifiers: `python tools/train.py configs/classification/NAME.py`. '
        '`--genotype FILE` replaces the published architecture.'
    ),
    'detection': (
        'Train detectors: `python tools/train.py configs/detection/NAME.py`. '
        '[Your own boxes](../../docs/tutorials/own_detection_data.md).'
    ),
    'segmentation': (
        'Train segmentors: `python tools/train.py configs/segmentation/NAME.py`. '
        '[Your own masks](../../docs/tutorials/own_segmentation_data.md).'
    ),
    'search': (
        'Search for an architecture: `python tools/search.py configs/search/NAME.py`. '
        '[What a search costs](../../docs/results/search_cost.md).'
    ),
}
"""By folder: what its configs are for."""
BASES = (
    'What the configs are composed of. A config lists a backbone, a head, data and a schedule, and '
    'says what differs.'
)
DATA = {
    'data/ade/ADEChallengeData2016': 'ADE20K',
    'data/BCCD': 'BCCD',
    'data/camvid': 'CamVid',
    'data/cifar10': 'CIFAR-10',
    'data/cifar100': 'CIFAR-100',
    'data/cityscapes': 'Cityscapes',
    'data/coco': 'COCO',
    'data/digit_scenes': 'digit scenes',
    'data/digit_scenes/voc': 'digit scenes',
    'data/imagenet': 'ImageNet-1k',
    'data/images': 'your own',
    'data/VOCdevkit': 'PASCAL VOC 2007 + 2012',
    'data/VOCdevkit/VOC2012': 'PASCAL VOC 2012 + SBD',
}
"""By folder of a data set."""


class PageError(ValueError):
    """A config that does not say what a page needs."""


def summary(path: Path) -> str:
    """Return the first sentence of a config's first comment.

    Raises:
        PageError: If the file does not begin with a comment.
    """
    words: list[str] = []
    for line in path.read_text().splitlines():
        if not line.startswith('# ') or line.startswith('#  '):  # the end, or a command
            break
        words.append(line[2:].strip())
    found = re.match(r'(.+?)(?:[.:]$|\.(?= [A-Z`]))', ' '.join(words))
    if not words:
        raise PageError(f'{path}: expected a first line that says what the config is')
    return found[1] if found else ' '.join(words)


def data(config: Config) -> str:
    """Return the name of the data that a config trains on."""
    dataset = config.train_dataloader.dataset
    dataset = dataset.datasets[0] if 'datasets' in dataset else dataset
    if dataset.type == 'ppnas_mm.Digits':
        return 'digits'
    name = DATA.get(dataset.data_root, dataset.data_root)
    return f'{name}, 20,000 images' if dataset.type == 'ppnas_mm.PartialCIFAR10' else name


def cost(config: Config, facts: Mapping[str, Any]) -> str:
    """Return what a run of a config costs: epochs, batch and parameters."""
    if 'max_epochs' not in config.train_cfg:
        return 'seconds: nothing is trained'
    batch = config.get('auto_scale_lr', {}).get('base_batch_size')
    batch = batch or f'{config.train_dataloader.batch_size} a GPU'
    words = f'{config.train_cfg.max_epochs} epochs of batches of {batch}'
    if 'Parameters' in facts:
        words += f'; {facts["Parameters"] / 1e6:.2f} M parameters'
    return words


def scores(entries: Iterable[Mapping[str, Any]], named: bool = False) -> str:
    """Return the results of some entries of a metafile, each with its metric.

    Args:
        entries: Models of a metafile.
        named: Whether to add the name of each entry.
    """
    found = []
    for entry in entries:
        for result in entry.get('Results', []):
            for metric, value in result['Metrics'].items():
                text = f'{value:g} {metric.replace(", not reproduced here", "")}'
                found.append(f'{text} (`{entry["Name"]}`)' if named else text)
    return '; '.join(found)


def by_config(metafile: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Return the entries of a metafile by their config; none if there is no file."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in yaml.safe_load(metafile.read_text())['Models'] if metafile.is_file() else ():
        found.setdefault(entry['Config'], []).append(entry)
    return found


def folder_page(root: Path, folder: str) -> str:
    """Return the page of a folder of configs."""
    papers = by_config(root / 'configs' / folder / 'metafile.yml')
    own = by_config(root / 'model_zoo' / 'metafile.yml')
    lines = [
        '| config | what it does | data | cost | result here | result in the paper |',
        '| --- | --- | --- | --- | --- | --- |',
    ]
    for path in sorted((root / 'configs' / folder).glob('*.py')):
        config, name = Config.fromfile(path), f'configs/{folder}/{path.name}'
        entries = papers.get(name, [])
        facts = entries[0]['Metadata'] if entries else {}
        cells = (
            f'[{path.stem}]({path.name})',
            summary(path),
            facts.get('Training Data') or data(config),
            cost(config, facts),
            scores(own.get(name, []), named=True),
            scores(entries),
        )
        lines.append('| ' + ' | '.join(cells) + ' |')
    title = f'# Configs: {folder}'
    return '\n'.join([title, NOTE, INTRODUCTIONS[folder], '', *lines]) + '\n'


def base_page(root: Path) -> str:
    """Return the page of the files that configs inherit from."""
    base = root / 'configs' / '_base_'
    lines = ['| file | what it is |', '| --- | --- |']
    for path in sorted(base.rglob('*.py')):
        name = path.relative_to(base).as_posix()
        lines.append(f'| [{name}]({name}) | {summary(path)} |')
    return '\n'.join(['# Configs: bases', NOTE, BASES, '', *lines]) + '\n'


def pages(root: Path) -> dict[Path, str]:
    """Return the content of every page that follows from the configs.

    Args:
        root: A checkout.

    Raises:
        PageError: If a config does not begin with a comment.
    """
    configs = root / 'configs'
    found = {configs / name / 'README.md': folder_page(root, name) for name in INTRODUCTIONS}
    found[configs / '_base_' / 'README.md'] = base_page(root)
    return found
