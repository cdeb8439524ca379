"""A pickle with code knocks at every door of the tools; none lets it run."""

import ast
import functools
import hashlib
import http.server
import json
import os
import pickle
import re
import shutil
import threading
from dataclasses import asdict

import pytest
import torch
from hostile import Bomb, open_doors
from scenes import DETECTION, SEGMENTATION, detection, segmentation
from tool import DIGITS, RETRAIN, ROOT, TINY, TINY_TRAIN, call

from ppnas_mm import zoo
from ppnas_mm.datasets.digit_scenes import write_scenes
from ppnas_mm.weights.checkpoint import CheckpointError, load_checkpoint
from ppnas_mm.weights.index import add_entry, load_index


@pytest.fixture
def bomb(tmp_path):
    """A checkpoint with code in it; ``exploded`` beside it tells that the code ran."""
    path = tmp_path / 'epoch_1.pth'
    torch.save({'state_dict': {'w': torch.zeros(1)}, 'meta': Bomb(tmp_path / 'exploded')}, path)
    return path


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    """Each door must lock itself: nothing is left of a tool that ran before."""
    open_doors(monkeypatch)


def config(bomb, text, base=RETRAIN):
    """A config that names the bomb."""
    path = bomb.parent / 'config.py'
    path.write_text(f"_base_ = '{base}'\n{text.format(repr(str(bomb)))}\n")
    return path


def train(bomb, *arguments):
    """A short training in the folder of the bomb."""
    folder = bomb.parent / 'work'
    return ['train.py', *arguments, '--work-dir', folder, '--cfg-options', *TINY_TRAIN]


def scenes(bomb, base, options):
    """A training of a detector or segmentor that starts from the bomb."""
    write_scenes(bomb.parent / 'data', {'train': 2, 'test': 2})
    path = config(bomb, 'load_from = {}', base)
    given = ['--cfg-options', *options(bomb.parent / 'data')]
    return ['train.py', path, '--work-dir', bomb.parent / 'work', *given]


def detector(bomb):
    """Through mmdet."""
    return scenes(bomb, DETECTION, detection)


def derive(bomb):
    """The folder is the work dir of a search."""
    record = {'config': os.path.relpath(DIGITS, bomb.parent), 'seed': 0, 'epochs': []}
    (bomb.parent / 'search.json').write_text(json.dumps(record))
    return ['derive.py', bomb.parent, '--out', bomb.parent / 'out', '--cfg-options', *TINY]


def resumed(bomb, tool, path, options):
    """The folder is the work dir of a run that was stopped."""
    return [tool, path, '--work-dir', bomb.parent, '--resume', '--cfg-options', *options]


def served(bomb):
    """The config names an address, which the test serves."""
    path = config(bomb, f"load_from = 'http://127.0.0.1:{served.port}/epoch_1.pth'")
    return train(bomb, path)


BACKBONE = "model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint={})))"
EXPORT = ['--format', 'onnx', '--size', '16', '--out']
PUBLISH = ['--no-test', '--name', 'a.b', '--config']
DOORS = {
    'search.py --resume': lambda b: resumed(b, 'search.py', DIGITS, TINY),
    'train.py --resume': lambda b: resumed(b, 'train.py', RETRAIN, TINY_TRAIN),
    'train.py --init-from': lambda b: train(b, RETRAIN, '--init-from', b),
    'load_from': lambda b: train(b, config(b, 'load_from = {}')),
    'load_from, mmdet': detector,
    'load_from, mmseg': lambda b: scenes(b, SEGMENTATION, segmentation),
    'load_from, http': served,
    'load_from and resume': lambda b: train(b, config(b, 'load_from = {}\nresume = True')),
    'init_cfg of the backbone': lambda b: train(b, config(b, BACKBONE)),
    'init_cfg of the head': lambda b: train(b, config(b, BACKBONE.replace('backbone', 'head'))),
    'test.py': lambda b: ['test.py', RETRAIN, b, '--work-dir', b.parent / 'work'],
    'demo.py': lambda b: ['demo.py', picture(b), RETRAIN, b, '--out', b.parent / 'out.png'],
    'derive.py': derive,
    'convert.py': lambda b: ['convert.py', b, b.parent / 'out.pth', '--config', RETRAIN],
    'export.py': lambda b: ['export.py', RETRAIN, b, *EXPORT, b.parent / 'out.onnx'],
    'publish.py': lambda b: ['publish.py', b, *PUBLISH, RETRAIN, '--out', b.parent / 'zoo'],
}
"""The command that hands a checkpoint to each door; a new tool that reads one gets a line here."""


def picture(bomb):
    """A picture of the repository, to draw on."""
    return next((ROOT / 'docs/images').rglob('*.png'))


@pytest.mark.parametrize('door', DOORS)
def test_no_door_lets_code_in(door, bomb, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served.port = server.server_port
        code = call(*DOORS[door](bomb))
        server.shutdown()
    assert not (tmp_path / 'exploded').exists()
    assert code == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith('error: ')]
    assert line.startswith('error: CheckpointError') and bomb.name in line
    assert 'it names posix.system' in line


def test_the_zoo_lets_no_code_in(bomb, tmp_path):
    """An index of a stranger, with the right SHA-256 of the wrong file."""
    entry = asdict(load_index()['pp_resnet20.digits'])
    config = tmp_path / entry['config']
    config.parent.mkdir(parents=True)
    config.write_text(f"_base_ = '{RETRAIN}'\n")
    content = bomb.read_bytes()
    entry.update(urls=[bomb.name], size=len(content), sha256=hashlib.sha256(content).hexdigest())
    entry.update(genotype='genotype.json')
    (tmp_path / 'zoo').mkdir()
    shutil.copy(ROOT / 'model_zoo/pp-resnet20_digits/genotype.json', tmp_path / 'zoo')
    shutil.copy(bomb, tmp_path / 'zoo')
    add_entry(tmp_path / 'zoo/index.json', entry)
    with pytest.raises(CheckpointError, match=r'epoch_1\.pth: refused: it names posix\.system'):
        zoo.load('pp_resnet20.digits', index=tmp_path / 'zoo/index.json')
    assert not (tmp_path / 'exploded').exists()


def test_the_bomb_is_live(bomb, tmp_path):
    torch.load(bomb, weights_only=False)
    assert (tmp_path / 'exploded').exists()


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'pickle', '.safetensors'])
def test_every_kind_of_file_is_refused(kind, tmp_path):
    path = tmp_path / f'a{kind if kind[0] == "." else ".pth"}'
    content = {'state_dict': Bomb(tmp_path / 'exploded')}
    if kind == 'pickle':
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind != 'legacy')
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        load_checkpoint(path)
    assert not (tmp_path / 'exploded').exists()


def test_the_page_lists_the_doors():
    text = (ROOT / 'docs/reference/doors.md').read_text()
    section = text.split('\n## Checkpoints\n')[1].split('\n## ')[0]
    assert re.findall(r'^\| `(.+?)` \|', section, re.M) == [*DOORS, 'ppnas_mm.zoo.load']


def test_every_function_of_the_page_names_a_test_that_is_there():
    """The second table: what the libraries read through a few functions."""
    section = (ROOT / 'docs/reference/doors.md').read_text().split('\n## Other files')[1]
    table = section.split('\n\n')[1]
    rows = [line.strip('| ').split(' | ') for line in table.splitlines()[2:]]
    assert len(rows) >= 10
    for row in rows:
        assert len(row) == 4, row
        file, name = row[3].strip('`').split('::')
        (path,) = (ROOT / 'tests').glob(f'*/{file}')
        assert f'\ndef {name}(' in path.read_text(), row


def loaders(tree):
    """Calls in a syntax tree that could run what is in a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.split('.')[-1]
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if (
            name in ('eval', 'exec', 'compile', '__import__', 'os.system', 'os.popen')
            or name.split('.')[0] in ('pickle', 'marshal', 'shelve', 'dill', 'joblib')
            or name in ('yaml.load', 'yaml.unsafe_load', 'yaml.full_load')
            or (last == 'load' and 'torch' in name and name.count('.') == 1
                and keywords.get('weights_only') != 'True')
            or keywords.get('allow_pickle') == 'True'
            or keywords.get('shell') == 'True'
        ):  # fmt: skip
            yield f'{node.lineno}: {ast.unparse(node)}'


@pytest.mark.parametrize(
    ('code', 'count'),
    [
        ('eval(x)', 1),
        ('model.eval()', 0),
        ('pickle.loads(x)', 1),
        ('torch.load(x)', 1),
        ('torch.load(x, weights_only=False)', 1),
        ('torch.load(x, weights_only=True)', 0),
        ('yaml.load(x)', 1),
        ('yaml.safe_load(x)', 0),
        ('np.load(x, allow_pickle=True)', 1),
        ('json.load(x)', 0),
    ],
)
def test_the_reader_of_sources_knows_them(code, count):
    assert len(list(loaders(ast.parse(code)))) == count


def test_no_source_calls_a_loader_that_runs_code():
    files = sorted([*(ROOT / 'ppnas_mm').rglob('*.py'), *(ROOT / 'tools').rglob('*.py')])
    files = [f for f in files if '.mim' not in f.parts]
    assert len(files) > 80
    for file in files:
        assert not list(loaders(ast.parse(file.read_text()))), file
        names = re.findall(r'^\s*from (?:pickle|torch|yaml|marshal) import (.+)$', file.read_text())
        assert not any('load' in name for name in names), file
