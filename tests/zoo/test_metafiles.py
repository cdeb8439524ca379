"""The model index: complete, true to the configs, and no result that looks measured here."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from config_files import CONFIGS, load, scope
from mmcv.cnn import ConvModule
from mmengine.registry import MODELS

ROOT = CONFIGS.parent
INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text())
FILES = sorted(CONFIGS.glob('*/metafile.yml'))
OWN = ROOT / 'model_zoo' / 'metafile.yml'
"""Weights of this project with measured results: ``test_zoo_index.py``."""
MODELS_OF = {path.parent.name: yaml.safe_load(path.read_text())['Models'] for path in FILES}
ENTRIES = [entry for entries in MODELS_OF.values() for entry in entries]
TITLES = {
    collection['Name']: collection['Paper']['Title']
    for path in FILES
    for collection in yaml.safe_load(path.read_text())['Collections']
}
SOURCES = {
    'PP-NAS: Searching for Plug-and-Play Blocks on Convolutional Neural Networks': (
        'PP-NAS paper (TNNLS 2023), not reproduced here',
        ' (PP-NAS paper, not reproduced here)',
    ),
    'Cyclic Differentiable Architecture Search': (
        'CDARTS paper (TPAMI 2022), not reproduced here',
        ' (CDARTS paper, not reproduced here)',
    ),
    'Exploiting Operation Importance for Differentiable Neural Architecture Search': (
        'EoiNAS paper (TNNLS 2022), not reproduced here',
        ' (EoiNAS paper, not reproduced here)',
    ),
    'Improving One-Shot NAS with Shrinking-and-Expanding Supernet': (
        'SE-NAS paper (PR 2021), not reproduced here',
        ' (SE-NAS paper, not reproduced here)',
    ),
}
"""By title of a paper: the source of a model's results, and the end of a metric's name."""
SMALL = ('digits', 'digit-scenes', 'imagefolder', 'bccd', 'camvid', 'cifar10-20k')
"""Data of the configs that are no recipe of a paper."""
PAPER = {
    'classification': {
        'CIFAR-10': {3.77, 3.71, 3.67, 3.50, 1.94, 97.52, 98.32, 2.50},
        'CIFAR-100': {18.13, 17.73, 17.46, 17.33, 13.67, 84.31, 17.3},
        'ImageNet-1k': {
            *(78.37, 93.99, 79.09, 94.45, 79.48, 94.57, 80.58, 95.34),
            *(76.61, 75.9, 92.6, 81.12, 77.4, 78.2),
            *(25.6, 8.3),
        },
    },
    'detection': {'COCO': {44.1, 45.5, 46.1, 35.2, 36.2}, 'PASCAL VOC 2007': {82.37, 83.28, 83.82}},
    'segmentation': {
        'PASCAL VOC 2012': {78.74, 79.13, 79.55},
        'Cityscapes': {77.99, 78.82, 79.40, 78.1, 80.2, 72.6},
    },
}
"""PP-NAS, Tables I and III to VI; CDARTS, Tables 4 to 6 and 9 to 11; EoiNAS, Tables I, II and V;
what has a config here.
"""


def results(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of a model, none for most."""
    return entry.get('Results', [])


def test_the_index_imports_what_can_be_downloaded() -> None:
    assert [ROOT / path for path in INDEX['Import']] == [OWN]  # mim stops at other models
    assert {path.parent.name for path in FILES} == set(PAPER)


@pytest.mark.parametrize('folder', MODELS_OF)
def test_lists_every_full_size_config_once(folder: str) -> None:
    names = [path.stem for path in sorted((CONFIGS / folder).glob('*.py'))]
    full = [name for name in names if name.split('_')[-1] not in SMALL]
    assert [e['Name'] for e in MODELS_OF[folder]] == full
    for entry in MODELS_OF[folder]:
        assert entry['Config'] == f'configs/{folder}/{entry["Name"]}.py'


def test_names_and_collections() -> None:
    assert len({entry['Name'] for entry in ENTRIES}) == len(ENTRIES)
    for path in FILES:
        content = yaml.safe_load(path.read_text())
        names = [collection['Name'] for collection in content['Collections']]
        assert len(set(names)) == len(names)
        assert {entry['In Collection'] for entry in content['Models']} == set(names)


@pytest.mark.parametrize('folder', MODELS_OF)
def test_parameters_and_epochs_are_the_configs(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConvModule, 'init_weights', lambda self: None)  # slow without data
    counts: dict[str, int] = {}
    for entry in MODELS_OF[folder]:
        config = load(f'{folder}/{entry["Name"]}')
        key = str({k: v for k, v in config.model.items() if k != 'train_cfg'})
        with scope(config), torch.device('meta'):
            if key not in counts:
                counts[key] = sum(p.numel() for p in MODELS.build(config.model).parameters())
        assert entry['Metadata']['Parameters'] == counts[key], entry['Name']
        assert entry['Metadata']['Epochs'] == config.train_cfg.max_epochs, entry['Name']


def test_every_number_says_whose_it_is() -> None:
    """In the metadata and in the metric's name: index readers drop unknown keys of a result."""
    for entry in ENTRIES:
        source, label = SOURCES[TITLES[entry['In Collection']]]
        given = entry['Metadata'].get('Results Source')
        assert given == (source if results(entry) else None), entry['Name']
        for result in results(entry):
            assert set(result) == {'Task', 'Dataset', 'Metrics'}
            assert all(name.endswith(label) for name in result['Metrics']), entry['Name']


@pytest.mark.parametrize('folder', PAPER)
def test_every_number_is_in_the_paper_and_stands_at_one_config(folder: str) -> None:
    found: dict[str, list[float]] = {}
    for entry in MODELS_OF[folder]:
        for result in results(entry):
            found.setdefault(result['Dataset'], []).extend(result['Metrics'].values())
    assert {name: sorted(values) for name, values in found.items()} == {
        name: sorted(values) for name, values in PAPER[folder].items()
    }


def test_the_official_reader_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = pytest.importorskip('modelindex', reason='comes with mmpretrain')
    monkeypatch.chdir(ROOT)
    index = reader.load(str(Path('model-index.yml')))
    assert index.check(silent=True) == []
    own = yaml.safe_load(OWN.read_text())['Models']
    assert len(list(index.models)) == len(own)
    for path in FILES:
        assert reader.load(str(path)).check(silent=True) == []
