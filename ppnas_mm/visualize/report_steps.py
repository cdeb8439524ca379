"""The commands that a report offers after a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PLACE = 'WORK_DIR'
"""Stands for the work dir; the page in a browser replaces it by its own folder."""
CONFIG = 'TRAINING_CONFIG.py'
"""Stands for a config whose backbone is built from a genotype."""
TRAININGS = {
    ('ppconv', 'digits'): 'configs/classification/pp-resnet20_digits.py',
    ('ppconv', 'cifar10-20k'): 'configs/classification/pp-resnet20_cifar10-20k.py',
    ('ppconv', 'cifar10'): 'configs/classification/pp-resnet110_cifar10.py',
    ('ppconv', 'cifar100'): 'configs/classification/pp-resnet110_cifar100.py',
    ('ppconv', 'imagenet'): 'configs/classification/pp-resnet50_8xb128_in1k.py',
    ('ppconv', 'imagefolder'): 'configs/classification/pp-resnet50_imagefolder.py',
    ('darts', 'digits'): 'configs/classification/cdarts-net_digits.py',
    ('darts', 'cifar10-20k'): 'configs/classification/cdarts-net_cifar10-20k.py',
    ('darts', 'cifar10'): 'configs/classification/cdarts-net_cifar10.py',
    ('darts', 'imagenet'): 'configs/classification/cdarts_8xb128_in1k.py',
    ('mobile', 'digits'): 'configs/classification/senas-net_digits.py',
    ('mobile', 'imagenet'): 'configs/classification/mobilenas_8xb128-240e_in1k.py',
}
"""The repository's config that trains what a search finds, by space and data of the search."""


def training_config(record: Mapping[str, Any]) -> str:
    """Return the config that trains what a search of this repository finds, or :data:`CONFIG`."""
    words = str(record.get('config', '')).removesuffix('.py').split('_')
    return next((TRAININGS[record['space'], w] for w in words if (record['space'], w) in TRAININGS),
                CONFIG)  # fmt: skip


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
    own, config = _own_config(record, files), training_config(record)
    genotype = f'--genotype {PLACE}/genotype.json'
    if state == 'running':
        resume = f'python tools/search.py {own} --work-dir {PLACE} --resume'
        return {'Continue the search, if it was stopped': resume}
    if state == 'failed':
        search = f'python tools/search.py {own} --work-dir {PLACE}/again --seed'
        return {'Search again with another seed': f'{search} {record["seed"] + 1}'}
    steps = {
        'Train the network from scratch': f'python tools/train.py {config} {genotype} '
        f'--work-dir {PLACE}/trained',
    }
    if 'derived.safetensors' in files:
        weights, size = f'{config} {PLACE}/derived.safetensors {genotype}', image_size(record)
        steps['Test it with the weights of the search'] = f'python tools/test.py {weights}'
        steps['Derive it once more from the last checkpoint'] = (
            f'python tools/derive.py {_home(record, files)} --out {PLACE}/derived'
        )
        steps['Deploy it as an ONNX file'] = (
            f'python tools/export.py {weights} --format onnx --size {size} '
            f'--out {PLACE}/network.onnx'
        )
    steps['Draw it'] = f'python tools/visualize.py {PLACE}/genotype.json --out {PLACE}/network.png'
    return steps


def image_size(record: Mapping[str, Any]) -> str:
    """Return height and width of the images of a search as words; 224 where they are not known."""
    shape = record.get('result', {}).get('costs', {}).get('input_shape', [3, 224, 224])
    return ' '.join(str(side) for side in dict.fromkeys(shape[1:]))


def latency_command(record: Mapping[str, Any], files: Sequence[str]) -> str:
    """Return the command that measures the latency of each candidate on this machine."""
    size = max(map(int, image_size(record).split()))
    return (
        f'python tools/benchmark.py latency-table {_own_config(record, files)} --size {size} '
        f'--out {PLACE}/latency.json'
    )
