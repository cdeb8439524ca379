"""The index of the model zoo: true, read with suspicion, and the source of every page about it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from entries import DIGITS, ENTRY, INDEX, NAMES, write_index
from mmengine.config import Config
from safetensors import safe_open
from tool import ROOT, call

from ppnas_mm import zoo
from ppnas_mm.genotype import Genotype
from ppnas_mm.weights import index as zoo_index
from ppnas_mm.weights.index import ZooError, add_entry, load_index, load_made

# ---- what is in the repository


@pytest.mark.parametrize('name', NAMES)
def test_every_entry_is_true(name: str) -> None:
    """Config, hash, classes and normalisation, compared with what config and file say."""
    entry = load_made(INDEX)[name]
    zoo_index.check_entry(entry, INDEX)
    config = Config.fromfile(ROOT / entry.config)
    given = config.get('data_preprocessor') or config.model.data_preprocessor
    assert (tuple(given.mean), tuple(given.std)) == tuple(
        entry.normalisation[key] for key in ('mean', 'std')
    )
    heads = [node for node in config.model.values() if isinstance(node, dict)]
    assert {node.num_classes for node in heads if 'num_classes' in node} == {len(entry.classes)}


def shipped(name: str) -> list[Path]:
    """The files of an entry that lie beside the index."""
    return [INDEX.parent / url for url in load_made(INDEX)[name].urls if '://' not in url]


@pytest.mark.parametrize('name', NAMES)
def test_a_shipped_file_holds_its_architecture(name: str) -> None:
    entry = load_made(INDEX)[name]
    assert shipped(name)
    for path in shipped(name):
        with safe_open(path, 'pt') as file:
            stored = Genotype.from_json(file.metadata()['genotype'])
        assert stored == zoo_index.load_genotype(entry, INDEX)
        assert stored.hash == entry.genotype_hash


def test_shipped_files_are_small_and_all_in_the_index() -> None:
    files = {path: path.stat().st_size for path in INDEX.parent.rglob('*.safetensors')}
    assert set(files) == {path for name in NAMES for path in shipped(name)}
    assert max(files.values()) < 10e6 and sum(files.values()) < 40e6


def test_pages_agree_with_the_index(capsys: pytest.CaptureFixture[str]) -> None:
    assert call('zoo.py', '--check') == 0 and capsys.readouterr().out == ''
    readme = (INDEX.parent / 'README.md').read_text()
    metafiles = [yaml.safe_load(p.read_text()) for p in ROOT.glob('configs/*/metafile.yml')]
    models = [model for content in metafiles for model in content['Models']]
    own = yaml.safe_load((INDEX.parent / 'metafile.yml').read_text())['Models']
    assert [model['Name'] for model in own] == NAMES
    for entry, model in zip(sorted(load_made(INDEX).items()), own, strict=True):
        assert f'| `{entry[0]}` |' in readme and model['Config'] == entry[1].config
        # tools of others fetch it, so it is no ppnas://
        assert model['Weights'].startswith('https://')
        assert model['Weights'].endswith(entry[1].urls[0])
    configs = {entry.config for entry in load_made(INDEX).values()}
    assert all((model['Config'] in configs) == ('Weights' in model) for model in models)
    # mim stops at a model without weights
    listed = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert listed == ['model_zoo/metafile.yml']


def test_one_command_follows_the_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a copy of what it reads, with one more entry, of a config that a metafile lists."""
    for path in [
        *ROOT.glob('configs/*/metafile.yml'),
        ROOT / 'model-index.yml',
        *INDEX.parent.rglob('*'),
    ]:
        if path.is_file():
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    recipe = 'configs/classification/pp-resnet110_cifar10.py'
    for config in {recipe, *(entry.config for entry in load_index(INDEX).values())}:
        (tmp_path / config).write_bytes((ROOT / config).read_bytes())
    index = tmp_path / 'model_zoo' / 'index.json'
    add_entry(index, {**ENTRY, 'name': 'another.tag', 'config': recipe})
    assert call('zoo.py', '--check', '--root', tmp_path) == 1
    shown = capsys.readouterr().out
    stale = ('model_zoo/README.md', 'model_zoo/metafile.yml', 'configs/classification/metafile.yml')
    assert len(shown.splitlines()) == 3 and all(name in shown for name in stale)
    assert call('zoo.py', '--root', tmp_path) == call('zoo.py', '--check', '--root', tmp_path) == 0
    listed = yaml.safe_load((tmp_path / stale[2]).read_text())['Models']
    (weights,) = (m['Weights'] for m in listed if m['Config'] == recipe)
    assert weights.startswith('https://') and weights.endswith(ENTRY['urls'][0])
    index.write_bytes(INDEX.read_bytes())
    assert call('zoo.py', '--root', tmp_path) == 0
    for name in (*stale, 'model-index.yml'):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()


# ---- an index is read as if a stranger had written it

WRONG: list[tuple[str, Any]] = [
    ('name', '../x'),
    ('name', 'no_tag'),
    ('config', '../../etc/passwd.py'),
    ('config', '/etc/config.py'),
    ('genotype', '../genotype.json'),
    ('genotype', '/tmp/genotype.json'),
    ('genotype_hash', 'abc'),
    ('urls', []),
    ('urls', 'a.safetensors'),
    ('urls', ['../a.safetensors']),
    ('urls', ['a/../../b.safetensors']),
    ('urls', ['/etc/a.safetensors']),
    ('urls', ['//host/a.safetensors']),
    ('urls', ['..\\a.safetensors']),
    ('urls', ['C:/a.safetensors']),
    ('urls', ['ftp://host/a.safetensors']),
    ('urls', ['file://host/a.safetensors']),
    ('urls', ['https:///a.safetensors']),
    ('urls', ['https://user:word@host/a.safetensors']),
    ('urls', ['https://host/a.zip']),
    ('urls', ['https://[host/a.safetensors']),
    ('urls', ['a.safetensors', 'https://host/a.pth']),
    ('size', 0),
    ('size', True),
    ('size', '910640'),
    ('sha256', 'A' * 64),
    ('sha256', 'a' * 63),
    ('sha256', None),
    ('input_size', [16, 16]),
    ('input_size', [3, 16, -1]),
    ('normalisation', {'mean': [0, 0, 0]}),
    ('normalisation', {'mean': [0, 0], 'std': [1, 1, 1]}),
    ('normalisation', {'mean': [0, 0, 0], 'std': [1, 0, 1]}),
    ('normalisation', {'mean': [0, 0, float('nan')], 'std': [1, 1, 1]}),
    ('classes', []),
    ('classes', ['a', 'a']),
    ('classes', 10),
    ('metric', {'name': 'x', 'value': 1}),
    ('metric', {'name': 'x', 'value': '1', 'dataset': 'y'}),
    ('source', ''),
    ('licence', 'two\nlines'),
]


@pytest.mark.parametrize(('key', 'value'), WRONG)
def test_a_wrong_value_names_entry_and_key(tmp_path: Path, key: str, value: Any) -> None:
    index = write_index(tmp_path / 'index.json', ENTRY, {**ENTRY, 'name': 'b.c', key: value})
    with pytest.raises(ZooError, match=f'entry 1.*{key}.*expected') as error:
        load_index(index)
    assert key == 'name' or 'b.c' in str(error.value)
    with pytest.raises(ZooError, match=key):
        add_entry(tmp_path / 'other.json', {**ENTRY, key: value})
    assert not (tmp_path / 'other.json').exists()


@pytest.mark.parametrize('key', [key for key in ENTRY if key != 'name'])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    entry = {k: v for k, v in ENTRY.items() if k != key}
    with pytest.raises(ZooError, match=f"entry 0 {DIGITS}: missing key '{key}'"):
        load_index(write_index(tmp_path / 'index.json', entry))


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    index = write_index(tmp_path / 'index.json', {**ENTRY, 'license': 'MIT'})
    with pytest.raises(ZooError, match=f"{DIGITS}: unknown key 'license'; did you mean 'licence'"):
        load_index(index)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        ('<html>', 'cannot be read'),
        ('', 'cannot be read'),
        ('[' * 100_000, 'cannot be read'),
        ('{"schema": 1, "entries": [], "entries": []}', 'given twice'),
        ('{"schema": 1}', "missing key 'entries'"),
        ('[]', 'file: expected an object'),
        ('{"schema": 2, "entries": []}', 'schema: expected 1'),
        ('{"schema": 1, "entries": {}}', 'entries: expected a list'),
        ('{"schema": 1, "entries": [7]}', 'entry 0: expected an object'),
        (json.dumps({'schema': 1, 'entries': [ENTRY, ENTRY]}), 'the name is given twice'),
    ],
)
def test_a_damaged_index(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / 'index.json').write_text(content)
    with pytest.raises(ZooError, match=reason):
        load_index(tmp_path / 'index.json')


def test_add_entry_checks_files_and_keeps_the_old_index(tmp_path: Path) -> None:
    index = tmp_path / 'model_zoo' / 'index.json'
    for name in (ENTRY['urls'][0], ENTRY['genotype']):
        (index.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (index.parent / name).write_bytes((INDEX.parent / name).read_bytes())
    with pytest.raises(ZooError, match='config: no file'):
        add_entry(index, ENTRY)
    (tmp_path / ENTRY['config']).parent.mkdir(parents=True)
    (tmp_path / ENTRY['config']).touch()
    add_entry(index, {**ENTRY, 'name': 'b.b'})
    add_entry(index, {**ENTRY, 'name': 'a.a'})
    before = index.read_bytes()
    assert list(load_index(index)) == ['a.a', 'b.b']
    assert json.loads(before)['entries'] == [{**ENTRY, 'name': n} for n in ('a.a', 'b.b')]
    wrong = [
        (dict(name='a.a'), 'a.a exists'),
        (dict(name='c.c', sha256='0' * 64), 'SHA-256'),
        (dict(name='c.c', size=5), 'bytes instead of 5'),
        (dict(name='c.c', genotype_hash='0' * 64), 'genotype'),
        (dict(name='c.c', genotype='missing.json'), 'genotype'),
        (dict(name='c.c', urls=['missing.safetensors']), 'no such file'),
    ]
    for changes, reason in wrong:
        with pytest.raises(ZooError, match=reason):
            add_entry(index, {**ENTRY, **changes})
    assert index.read_bytes() == before
    add_entry(index, {**ENTRY, 'name': 'a.a', 'source': 'again'}, replace=True)
    assert load_index(index)['a.a'].source == 'again'


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / 'secret.safetensors').write_bytes(b'x')
    index = write_index(tmp_path / 'zoo' / 'index.json', {**ENTRY, 'urls': ['link.safetensors']})
    (index.parent / 'link.safetensors').symlink_to(tmp_path / 'secret.safetensors')
    with pytest.raises(ZooError, match='leads out of'):
        zoo.fetch(DIGITS, index=index)
