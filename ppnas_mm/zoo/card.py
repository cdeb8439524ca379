"""The model card of published weights: what they are, how good, how to use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ..genotype import Genotype
from ..version import HOME
from ..weights.entry import Made

PIPELINES = {
    'classification': 'image-classification',
    'detection': 'object-detection',
    'segmentation': 'image-segmentation',
}
"""By folder of the config: the hub's name of the task."""
SHOWN = 10
"""Names of classes in a card; the others are counted."""


def front_matter(entry: Made) -> str:
    """Return the YAML that the hub reads: licence, task, result."""
    task = PIPELINES.get(Path(entry.config).parent.name, 'image-feature-extraction')
    metric = entry.metric
    result: dict[str, Any] = {
        'task': {'type': task},
        'dataset': {'name': metric['dataset'], 'type': 'other'},
        'metrics': [{'type': metric['name'], 'name': metric['name'], 'value': metric['value']}],
    }
    content = {
        'license': entry.licence.lower(),
        'library_name': 'ppnas_mm',
        'pipeline_tag': task,
        'tags': ['pytorch', 'openmmlab', 'neural-architecture-search'],
        'model-index': [{'name': entry.name, 'results': [result]}],
    }
    return f'---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True)}---\n'


def _classes(entry: Made) -> str:
    more = len(entry.classes) - SHOWN
    return ', '.join(entry.classes[:SHOWN]) + (f' and {more} more' if more > 0 else '')


def card(entry: Made, genotype: Genotype, repository: str | None = None) -> str:
    """Return the model card in Markdown, with the hub's YAML in front.

    Args:
        entry: The entry of the index.
        genotype: Its architecture.
        repository: ``USER/NAME`` on the hub; ``None``: weights of the zoo.
    """
    name = f'hf://{repository}' if repository else f'ppnas://{entry.name}'
    load = name if repository else entry.name
    metric, size = entry.metric, ' x '.join(map(str, entry.input_size))
    rows = {
        'architecture': f'{genotype.space}, hash `{genotype.hash}` (in the metadata of the file)',
        'config': f'`{entry.config}`',
        'result': f'{metric["name"]} {metric["value"]:g} on {metric["dataset"]}',
        'made by': entry.source,
        'input': f'{size}; mean {list(entry.normalisation["mean"])}, '
        f'std {list(entry.normalisation["std"])} of 8-bit pixels',
        'classes': _classes(entry),
        'file': f'{entry.size} bytes, SHA-256 `{entry.sha256}`',
        'licence': entry.licence,
    }
    table = '\n'.join(f'| {key} | {text} |' for key, text in rows.items())
    return f"""{front_matter(entry)}
# {entry.name}

Weights of a network of [ppnas_mm]({HOME}), searched backbones as OpenMMLab components.

| | |
| --- | --- |
{table}

```python
import ppnas_mm
model = ppnas_mm.zoo.load('{load}')       # the whole network, in evaluation mode
init_cfg = dict(type='Pretrained', checkpoint='{name}')    # of a backbone, in any config
```

The result was measured with these bytes on the test data named above, and on nothing else.
"""
