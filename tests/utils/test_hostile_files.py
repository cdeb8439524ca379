"""Every field that names a file, with a hostile file of every format: no code runs.

The fields are those of configs and tools, the formats those that the libraries read; the test does
not look at this project's sources.
"""

import importlib.util
import json
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import mmdet.datasets
import mmdet.evaluation
import mmengine
import mmpretrain.datasets
import mmseg.datasets.transforms
import numpy as np
import pytest
import torch
import yaml
from hostile import KINDS, Bomb, open_doors
from mmdet.datasets.openimages import OpenImagesChallengeDataset
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.models.losses.utils import get_class_weight
from tool import RETRAIN, ROOT

from ppnas_mm import cli
from ppnas_mm.config.load import load_config
from ppnas_mm.convert.files import read_weights
from ppnas_mm.costs.table import CostTable
from ppnas_mm.genotype import Genotype
from ppnas_mm.utils import doors
from ppnas_mm.weights.checkpoint import refuse_code

EMPTY = {'metainfo': {}, 'data_list': [{'img_path': 'a'}]}


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test closes the doors that it needs closed."""
    open_doors(monkeypatch)


def beside(file: Path, name: str, content: Any) -> str:
    """Write JSON beside a file."""
    path = file.with_name(name)
    path.write_text(json.dumps(content))
    return str(path)


def proposals(file: Path) -> Any:
    """mmdet's boxes of another detector."""
    ann = {'images': [], 'annotations': [], 'categories': []}
    return mmdet.datasets.CocoDataset(
        ann_file=beside(file, 'ann.json', ann), proposal_file=str(file), pipeline=[]
    )


def biomedical(file: Path) -> Any:
    """mmseg's image that a pickle holds."""
    step = mmseg.datasets.transforms.LoadBiomedicalData(decode_backend='pickle')
    return step({'img_path': str(file)})


def hierarchy(file: Path) -> Any:
    """The classes of OpenImages."""
    dataset = OpenImagesChallengeDataset.__new__(OpenImagesChallengeDataset)
    dataset.backend_args = None
    return dataset._get_relation_matrix(str(file))


def xml_dataset(file: Path) -> Any:
    """mmdet's data set of VOC, with one image."""
    names = file.with_name('names.list')
    names.write_text(file.stem)
    dataset = mmdet.datasets.XMLDataset.__new__(mmdet.datasets.XMLDataset)
    dataset.__dict__.update(img_subdir='', data_prefix={'sub_data_root': ''}, backend_args=None)
    info = {'img_id': 0, 'file_name': 'a.png', 'xml_path': str(file)}
    return dataset.parse_data_info(info)


def voc(file: Path) -> Any:
    """mmpretrain's data set of VOC."""
    if file.suffix != '.xml':
        return None
    dataset = mmpretrain.datasets.VOC.__new__(mmpretrain.datasets.VOC)
    dataset.backend = mmengine.fileio.LocalBackend()
    dataset.data_prefix = {'ann_path': str(file.parent)}
    return dataset._get_labels_from_xml(file.stem)


def base(kind: str) -> Any:
    """A config of data that inherits from the file."""
    return lambda file: load_config(beside(file, f'above{kind}', {'_base_': file.name}))


def checkpoint(file: Path) -> Any:
    """``load_from`` and ``init_cfg``."""
    refuse_code()
    return CheckpointLoader.load_checkpoint(str(file))


FIELDS: dict[str, Any] = {
    'ann_file of mmengine': lambda f: BaseDataset(ann_file=str(f)),
    'ann_file of mmpretrain': lambda f: mmpretrain.datasets.BaseDataset(str(f), pipeline=[]),
    'ann_file of CustomDataset': lambda f: mmpretrain.datasets.CustomDataset(ann_file=str(f)),
    'ann_file of mmdet': lambda f: mmdet.datasets.BaseDetDataset(ann_file=str(f)),
    'ann_file of CocoDataset': lambda f: mmdet.datasets.CocoDataset(ann_file=str(f)),
    'ann_file of mmseg': lambda f: mmseg.datasets.DecathlonDataset(ann_file=str(f)),
    'ann_file of an evaluator': lambda f: mmdet.evaluation.CocoMetric(ann_file=str(f)),
    'proposal_file': proposals,
    'metainfo.classes': lambda f: BaseDataset(metainfo={'classes': str(f)}, lazy_init=True),
    'class_weight': lambda f: get_class_weight(str(f)),
    'decode_backend': biomedical,
    'hierarchy_file': hierarchy,
    'annotations of mmdet': xml_dataset,
    'annotations of mmpretrain': voc,
    'load(file_format=pkl)': lambda f: mmengine.load(str(f), file_format='pkl'),
    'load(file object)': lambda f: mmengine.load(open(f, 'rb'), file_format='pkl'),  # noqa: SIM115
    'load_from': checkpoint,
    'torch.load': lambda f: torch.load(f, weights_only=False),
    'config': load_config,
    '_base_ of .yaml': base('.yaml'),
    '_base_ of .json': base('.json'),
    'genotype': lambda f: Genotype.load(str(f)),
    'cost table': lambda f: CostTable.load(str(f)),
    'convert.py': read_weights,
}
"""What reads a file that somebody names."""
UNNAMED = [('hierarchy_file', kind) for kind in ('.npz', '.pth', '.pt')]  # taken for arrays


@pytest.mark.parametrize('field', FIELDS)
def test_no_file_runs_code(field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marker, refused = tmp_path / 'exploded', 0
    for kind, write in KINDS.items():
        file = tmp_path / f'hostile{kind}'
        write(file, marker)
        with pytest.raises(SystemExit) as stop:
            cli.run_tool(lambda file=file: (FIELDS[field](file), None)[1])  # type: ignore[misc]
        assert not marker.exists(), kind
        lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith('error: ')]
        assert len(lines) == (stop.value.code == 2), (kind, lines)
        refused += len(lines)
        assert 'weights_only=False' not in ''.join(lines)
        if lines and (field, kind) not in UNNAMED:
            assert file.name in lines[0] or file.stem in lines[0], (kind, lines)
    assert refused >= (1 if field in ('metainfo.classes', 'annotations of mmpretrain') else 8)


@pytest.mark.parametrize(
    ('field', 'kind'),
    [
        ('ann_file of mmengine', '.pkl'),
        ('ann_file of mmpretrain', '.yaml'),
        ('ann_file of mmdet', '.yml'),
        ('proposal_file', '.pickle'),
        ('class_weight', '.pkl'),
        ('decode_backend', '.csv'),
        ('hierarchy_file', '.npy'),
        ('load(file object)', '.p'),
        ('load_from', '.pth'),
    ],
)
def test_the_doors_are_real(field: str, kind: str, tmp_path: Path) -> None:
    """Without the tools' locks the libraries run these files."""
    file = tmp_path / f'hostile{kind}'
    (KINDS['.pkl'] if kind == '.csv' else KINDS[kind])(file, tmp_path / 'exploded')
    try:
        reader = FIELDS[field] if field != 'load_from' else FIELDS['torch.load']
        reader(file)
    except Exception:  # what the code returned is no annotation
        pass
    assert (tmp_path / 'exploded').exists()


def test_a_named_pickle_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doors.close()
    file, other = tmp_path / 'a.pkl', tmp_path / 'b.pkl'
    for path in (file, other):
        path.write_bytes(pickle.dumps({**EMPTY, 'metainfo': {'classes': (path.stem,)}}))
    with pytest.raises(doors.RefusedFileError, match=f'PPNAS_TRUST_PICKLE={file}'):
        BaseDataset(ann_file=str(file))
    monkeypatch.setenv('PPNAS_TRUST_PICKLE', os.pathsep.join(['/nowhere/x', str(file)]))
    assert BaseDataset(ann_file=str(file)).metainfo['classes'] == ('a',)
    with pytest.raises(doors.RefusedFileError, match=r'b\.pkl: refused'):
        BaseDataset(ann_file=str(other))
    array = tmp_path / 'a.npy'
    np.save(array, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(doors.RefusedFileError, match=r'a\.npy: refused'):
        np.load(array, allow_pickle=True)
    monkeypatch.setenv('PPNAS_TRUST_PICKLE', str(array))
    assert np.load(array, allow_pickle=True)[0] == {}


def test_harmless_files_are_read_as_before(tmp_path: Path) -> None:
    doors.close()
    data = {'metainfo': {'classes': ['a', 'b'], 'size': (3, 4)}, 'data_list': [{'x': 1.5}] * 3}
    for kind in ('.yaml', '.yml', '.json'):
        mmengine.dump(data, tmp_path / f'a{kind}')
        read = mmengine.load(tmp_path / f'a{kind}')
        assert read['data_list'] == data['data_list']
        assert tuple(read['metainfo']['size']) == (3, 4)
    mmengine.dump(data, tmp_path / 'a.pkl')  # results are still written
    assert pickle.loads(pickle.dumps(data)) == data
    np.save(tmp_path / 'a.npy', np.arange(3))
    assert np.load(tmp_path / 'a.npy').tolist() == [0, 1, 2]
    assert yaml.safe_load('a: [1]') == {'a': [1]}


def test_what_a_run_pickles_itself_is_read() -> None:
    doors.close()
    from mmengine.dist import collect_results

    dataset = BaseDataset(lazy_init=True)
    dataset.load_data_list = lambda: [{'x': i} for i in range(3)]  # type: ignore[method-assign]
    dataset.full_init()
    assert dataset.get_data_info(2)['x'] == 2
    assert collect_results([1, 2], 2) == [1, 2]
    with multiprocessing.get_context('fork').Pool(1) as pool:
        assert pool.map(str, [1]) == ['1']


def test_references_of_yaml_do_not_grow_without_a_limit(tmp_path: Path) -> None:
    doors.close()
    rows = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    rows += [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 12)]
    for text, ends in (
        ('\n'.join(rows), False),
        ('a: &a [*a]', False),
        ('\n'.join(rows[:3]), True),
    ):
        (tmp_path / 'a.yaml').write_text(text)
        if ends:
            assert len(mmengine.load(tmp_path / 'a.yaml')['a2']) == 10
            continue
        with pytest.raises(doors.RefusedFileError, match=r'a\.yaml: refused: its references grow'):
            mmengine.load(tmp_path / 'a.yaml')


def test_arrays_of_cifar_are_read_and_no_code(tmp_path: Path) -> None:
    """The archives are pickles of arrays; their checksum is mmpretrain's."""
    doors.close()
    cifar = vars(mmpretrain.datasets.cifar)
    data = {'data': np.arange(6, dtype=np.uint8).reshape(2, 3), 'labels': [0, 1]}
    scope = {'__name__': cifar['__name__'], 'pickle': pickle}
    for protocol in (0, 2, 4):
        scope['x'] = pickle.dumps(data, protocol=protocol)
        exec('y = pickle.loads(x, encoding="latin1")', scope)  # as in that module
        assert (scope['y']['data'] == data['data']).all()
    scope['x'] = pickle.dumps(Bomb(tmp_path / 'exploded'))
    with pytest.raises(doors.RefusedFileError, match=r'names posix\.system'):
        exec('pickle.loads(x, encoding="latin1")', scope)
    assert not (tmp_path / 'exploded').exists()


# ---- checkpoints


@pytest.mark.parametrize(
    'line',
    [
        "import os; os.system('x')",
        "a = __import__('os').system('x')",
        'a = dict(**b)',
        'a = [x for x in ()]',
        'a.b = 1',
        'a = (lambda: 1)()',
        "a = f'{1}'",
    ],
)
def test_the_config_in_a_checkpoint_is_read_as_values(line: str) -> None:
    """mmengine's ``Runner.resume`` executes it."""
    doors.close()
    text = Config.fromfile(RETRAIN).pretty_text
    assert Config.fromstring(text, '.py').to_dict() == Config.fromfile(RETRAIN).to_dict()
    with pytest.raises(doors.RefusedFileError, match='the config in the checkpoint: refused: line'):
        Config.fromstring(f'{text}\n{line}\n', '.py')


@pytest.mark.parametrize(
    'address',
    ['torchvision://no_such', 'modelzoo://x', 'open-mmlab://x', 'openmmlab://x', 'mmcls://x',
     'pavi://x', 's3://x/y', 'nothing://x', 'http://127.0.0.1:9/x.pth'],
)  # fmt: skip
def test_each_scheme_of_load_from(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with DefaultScope.overwrite_default_scope('mmengine'), pytest.raises(SystemExit) as stop:
        cli.run_tool(lambda: (checkpoint(address), None)[1])  # type: ignore[arg-type]
    assert stop.value.code == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith('error: ')]
    assert line.startswith(f'error: CheckpointError: checkpoint {address}: ')


@pytest.mark.parametrize('scheme', ['torchvision', 'open-mmlab', 'mmcls', 'http'])
def test_a_hostile_file_behind_a_scheme(
    scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file lies in torch's cache, where a download would put it."""
    from mmengine.runner import checkpoint as module

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    url = 'http://127.0.0.1:9/evil.pth'
    (tmp_path / 'hub/checkpoints').mkdir(parents=True)
    KINDS['.pth'](tmp_path / 'hub/checkpoints/evil.pth', tmp_path / 'exploded')
    for name in ('get_torchvision_models', 'get_external_models', 'get_mmcls_models'):
        monkeypatch.setattr(module, name, lambda: {'evil': url})
    address = url if scheme == 'http' else f'{scheme}://evil'
    with pytest.raises(SystemExit):
        cli.run_tool(lambda: (checkpoint(address), None)[1])  # type: ignore[arg-type]
    assert not (tmp_path / 'exploded').exists()
    error = capsys.readouterr().err
    assert f'checkpoint {address}: refused: it names posix.system' in error
    assert 'weights_only=False' not in error


LOADERS = re.compile(
    r'(?<![\w.])(pickle\.loads?|pickle\.Unpickler|yaml\.load|np\.load|torch\.load|Config\.fromstring|mmengine\.Config\.'
    r'fromstring|eval|exec|read_pickle|joblib\.load|marshal\.loads?|dill\.loads?)\('
)


def test_every_loader_of_the_libraries_is_on_the_page() -> None:
    page, found = (ROOT / 'docs/reference/doors.md').read_text(), set()
    for name in doors.LIBRARIES:
        folder = Path(str(importlib.util.find_spec(name).origin)).parent  # type: ignore[union-attr]
        for file in folder.rglob('*.py'):
            inner = file.relative_to(folder.parent).with_suffix('')
            if '.mim' in inner.parts or 'testing' in inner.parts:
                continue
            lines = file.read_text(encoding='utf-8', errors='replace').splitlines()
            if any(LOADERS.search(x) and not x.lstrip().startswith(('#', '>>>')) for x in lines):
                found.add('.'.join(inner.parts))
    assert len(found) > 20
    assert not [name for name in sorted(found) if f'`{name}`' not in page]
    assert not [name for name in doors.OWN_MEMORY + doors.CHECKED if name not in found]


def test_a_spawned_worker_is_closed_too(tmp_path: Path) -> None:
    """It runs no main of a tool, but imports what the tool's file does."""
    script = tmp_path / 'script.py'
    script.write_text(
        'import multiprocessing, pickle\nfrom ppnas_mm import cli\n'
        "def closed(_):\n    return hasattr(pickle.load, 'door')\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        '        print(closed(0), pool.map(closed, [0]))\n'
    )
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, '-W', 'ignore', str(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == 'False [True]', done.stderr
