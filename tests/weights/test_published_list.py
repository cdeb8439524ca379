"""The list of published weights: true as far as files tell, and read with suspicion."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from config_files import load
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from releases import BACKBONES, ENTRIES, KINDS, PUBLISHED
from tool import ROOT

from ppnas_mm.genotype import Genotype
from ppnas_mm.weights import index as zoo_index
from ppnas_mm.weights.index import ZooError, load_index, load_made
from ppnas_mm.weights.published import Published, load_published

NAME = 'pp_resnet50.imagenet'
CLASSES = PUBLISHED.parent / ENTRIES[NAME]['classes']


@pytest.mark.parametrize('name', ENTRIES)
def test_every_entry_is_true(name: str) -> None:
    """Config, genotype, normalisation and digits, compared with what config and URL say."""
    entry = load_published(PUBLISHED.parent)[name]
    zoo_index.check_entry(entry, PUBLISHED.parent / 'index.json')
    config = load(entry.config.removeprefix('configs/').removesuffix('.py'))
    given = config.data_preprocessor
    assert (tuple(given.mean), tuple(given.std)) == tuple(
        entry.normalisation[key] for key in ('mean', 'std')
    )
    crop = [step for step in config.test_dataloader.dataset.pipeline if 'crop_size' in step]
    assert entry.input_size == (3, crop[0].crop_size, crop[0].crop_size)
    assert config.model.head.num_classes == len(entry.classes) == 1000
    backbone = config.model.backbone
    if entry.genotype:
        assert Genotype.load(entry.genotype).hash == entry.genotype_hash
        assert f"'{entry.genotype}'" in BACKBONES[KINDS[name]]
    else:
        assert (
            f"block='{backbone.block}', stride_in='{backbone.stride_in}'"
            == (BACKBONES[KINDS[name]])
        )
    start = 'https://github.com/sbl1996/hanser/releases/download/0.1.'
    assert re.fullmatch(rf'{re.escape(start)}[12]/\w+-{entry.digits}\.zip', entry.url)
    assert entry.licence == 'MIT' and 'sbl1996/hanser' in entry.source


def test_the_classes_are_those_of_imagenet() -> None:
    assert json.loads(CLASSES.read_text()) == list(IMAGENET_CATEGORIES)


def test_both_kinds_are_in_the_index_and_no_name_is_in_both() -> None:
    index = PUBLISHED.parent / 'index.json'
    made, published = load_made(index), load_published(index.parent)
    assert load_index(index) == {**made, **published} and not made.keys() & published.keys()
    assert {type(entry) for entry in published.values()} == {Published}
    assert {entry.kind for entry in published.values()} == {'published by the authors'}
    assert {entry.kind for entry in made.values()} == {'made here'}
    assert len({entry.url for entry in published.values()}) == len(published) == 6


def test_no_page_takes_a_number_of_the_authors_for_ours() -> None:
    metafile = (PUBLISHED.parent / 'metafile.yml').read_text()
    assert not [name for name in ENTRIES if name in metafile]
    assert all(f'| `{n}` |' in (PUBLISHED.parent / 'README.md').read_text() for n in ENTRIES)


WRONG: list[tuple[str, Any]] = [
    ('name', '../x'),
    ('config', '../../etc/passwd.py'),
    ('genotype', '../genotype.json'),
    ('genotype', None),
    ('genotype_hash', 'abc'),
    ('genotype_hash', None),
    ('url', 'inside.zip'),
    ('url', 'https://host/a.safetensors'),
    ('url', 'https://user:word@host/a.zip'),
    ('url', 'ftp://host/a.zip'),
    ('url', ['https://host/a.zip']),
    ('digits', '14c86ae'),
    ('digits', '14C86AE2'),
    ('digits', None),
    ('input_size', [224, 224]),
    ('normalisation', {'mean': [0, 0, 0], 'std': [1, 0, 1]}),
    ('classes', '../classes.json'),
    ('classes', 'missing.json'),
    ('classes', 'published.json'),
    ('classes', ['cat']),
    ('metric', {'name': 'x', 'value': 1, 'dataset': 'y'}),
    ('metric', {'name': 'x', 'value': '1', 'dataset': 'y', 'by': 'z'}),
    ('metric', {'name': 'x', 'value': 1, 'dataset': 'y', 'by': 'two\nlines'}),
    ('expected', {'value': 1}),
    ('expected', {'value': None, 'within': 1}),
    ('expected', {'value': 79, 'within': -1}),
    ('source', ''),
    ('licence', ''),
]


def write(folder: Path, entry: dict[str, Any]) -> Path:
    text = json.dumps({'schema': 1, 'entries': [entry]})
    (folder / 'published.json').write_text(text)
    (folder / CLASSES.name).write_bytes(CLASSES.read_bytes())
    return folder


@pytest.mark.parametrize(('key', 'value'), WRONG)
def test_a_wrong_value_names_entry_and_key(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(ZooError, match=f'published.json: entry 0.*{key}') as error:
        load_published(write(tmp_path, {**ENTRIES[NAME], key: value}))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('key', [key for key in ENTRIES[NAME] if key != 'name'])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    entry = {k: v for k, v in ENTRIES[NAME].items() if k != key}
    with pytest.raises(ZooError, match=f"entry 0 {NAME}: missing key '{key}'"):
        load_published(write(tmp_path, entry))


def test_a_baseline_has_no_genotype(tmp_path: Path) -> None:
    name = 'resnet50-vd.imagenet'
    (entry,) = load_published(write(tmp_path, ENTRIES[name])).values()
    assert entry.genotype is None
    with pytest.raises(ZooError, match='a baseline has none'):
        zoo_index.load_genotype(entry, ROOT / 'model_zoo/index.json')
    assert load_published(tmp_path / 'none') == {}
