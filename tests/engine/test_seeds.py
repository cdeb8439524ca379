"""Searches with several seeds: each whole and alone, the best kept, nothing repeated or lost."""

import json
import math
import os
import re
import subprocess
import sys
import time
from multiprocessing import get_context
from xml.etree import ElementTree

import pytest
import torch
from mmengine.config import Config
from tool import DIGITS, RETRAIN, ROOT, TINY, TINY_TRAIN, call

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.engine.best_of_seeds import choose, keep_best, place, search_environment
from ppnas_mm.utils.jobs import Jobs

COPIED = ('genotype.json', 'genotype.svg', 'derived.safetensors', 'search.json', 'search.svg')
BOTH = ['--seeds', '0,1', '--cfg-options', *TINY]


@pytest.fixture(scope='module')
def retrain(tmp_path_factory):
    """A config of one short epoch for what a tiny search finds."""
    config = Config.fromfile(RETRAIN)
    config.merge_from_dict({k: int(v) for k, v in (option.split('=') for option in TINY_TRAIN)})
    path = tmp_path_factory.mktemp('config') / 'retrain.py'
    config.dump(path)
    return path


@pytest.fixture(scope='module')
def runs(tmp_path_factory, retrain):
    folder = tmp_path_factory.mktemp('runs')
    with pytest.MonkeyPatch.context() as patch:  # bytes depend on the number of threads
        patch.setenv('OMP_NUM_THREADS', '1')
        assert call('search.py', DIGITS, '--work-dir', folder, '--retrain', retrain, *BOTH) == 0
    return folder


def contents(folder):
    paths = [p for p in sorted(folder.rglob('*')) if p.is_file() and p.suffix != '.log']
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def test_each_seed_is_a_search_and_the_best_is_kept(runs):
    scores = {}
    for seed in (0, 1):
        record = json.loads((runs / f'seed-{seed}/search.json').read_text())
        assert record['seed'] == seed and len(record['epochs']) == 4
        trained = json.loads((runs / f'seed-{seed}/retrain/result.json').read_text())
        assert trained['genotype'] == record['result']['genotype'] and trained['seed'] == seed
        scores[seed] = record['result']['derived']['metrics']['accuracy/top1']
    best = int(scores[1] > scores[0])
    about = json.loads((runs / 'seeds.json').read_text())
    assert about['best'] == best and about['criterion']['select'] == 'derived'
    assert {row['seed']: row['values']['derived'] for row in about['seeds']} == scores
    for name in (*COPIED, 'retrain/result.json', 'retrain/epoch_1.pth'):
        assert (runs / name).read_bytes() == (runs / f'seed-{best}' / name).read_bytes(), name
    text = (runs / 'seeds.md').read_text()
    assert f'Best: seed {best}, by accuracy/top1 of the derived network' in text
    row = next(line for line in text.splitlines() if line.startswith(f'| {best} (best)'))
    assert f'{scores[best]:.2f}' in row and 'retrained: accuracy/top1' in text


def test_resume_repeats_nothing_and_a_failure_keeps_the_rest(runs, retrain, capsys):
    broken = runs / 'seed-7'
    broken.mkdir()
    (broken / 'epoch_1.pth').write_bytes(b'no checkpoint')
    before = contents(runs)
    command = ['search.py', DIGITS, '--work-dir', runs, '--retrain', retrain, '--resume']
    capsys.readouterr()
    assert call(*command, '--seeds', '7,0,1', '--cfg-options', *TINY) == 2
    out, error = capsys.readouterr()
    assert '[1/3]' in out and '[2/3' not in out and '[3/3' not in out
    lines = [line for line in error.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1 and 'seed 7: error: CheckpointError' in lines[0]
    assert 'none of its 1 checkpoints can be read' in lines[0]
    after = contents(runs)
    assert {name: after[name] for name in before} == before
    assert call(*command, *BOTH) == 0
    assert capsys.readouterr().out.strip() == (runs / 'seeds.md').read_text().strip()
    assert {name: contents(runs)[name] for name in before} == before


@pytest.mark.long
def test_two_processes_share_the_seeds_and_find_the_same(runs, tmp_path):
    left = tmp_path / 'seed-1'  # an earlier run must not pass for this one's
    left.mkdir()
    (left / 'derived.safetensors').write_bytes(b'earlier')
    (left / 'search.json').write_text('{"result": {}, "epochs": []}')
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2', '--master-port=29671',
        str(ROOT / 'tools/search.py'), DIGITS, '--work-dir', str(tmp_path), '--launcher', 'pytorch',
        *BOTH,
    ]  # fmt: skip
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    started = re.findall(r'\[1/1\].*--seed (\d) .* > ', done.stdout)
    assert sorted(started) == ['0', '1'] and 'Best: seed' in done.stdout
    for seed in (0, 1):
        weights = [f / f'seed-{seed}/derived.safetensors' for f in (tmp_path, runs)]
        one, two = (path.read_bytes() for path in weights)
        assert (one == two) is True  # no line of difference of bytes
    assert (left / 'earlier_1/derived.safetensors').read_bytes() == b'earlier'
    best = [json.loads((folder / 'seeds.json').read_text())['best'] for folder in (tmp_path, runs)]
    assert best[0] == best[1]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (['--seeds', '0,a'], "'a' is not a seed"),
        (['--seeds', ''], "'' is not a seed"),
        (['--seeds', '1,2,1'], 'a seed is given twice'),
        (['--seeds=-1,2'], "'-1' is not a seed"),
        (['--seeds', '0,1', '--seed', '0'], '--seed and --seeds exclude each other'),
        (['--select', 'val'], '--select needs --seeds'),
        (['--seeds', '0', '--select', 'retrained'], '--select retrained needs --retrain'),
        (['--seeds', '0', '--launcher', 'slurm'], 'SLURM_PROCID is not set'),
        (['--seeds', '0', '--retrain', 'nowhere.py'], 'nowhere.py'),
    ],
)
def test_wrong_arguments_end_before_a_search_begins(options, words, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv('SLURM_PROCID', raising=False)
    assert call('search.py', DIGITS, '--work-dir', tmp_path, *options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'error: ' in error and words in error
    assert not list(tmp_path.iterdir())


def test_the_best_is_highest_and_the_first_of_equals():
    both = {'val': 50.0, 'derived': 1.0}
    rows = {3: {**both, 'val': 40.0}, 1: both, 2: {'val': 50.0, 'derived': 9.0, 'retrained': 3.0}}
    assert choose(rows) == ('val', 1)
    assert choose(rows, 'derived') == ('derived', 2)
    assert choose({**rows, 4: {'derived': 9.0}}) == ('derived', 2)  # not all report val
    assert choose({0: {'derived': math.nan}, 1: {'derived': -1.0}}) == ('derived', 1)
    with pytest.raises(ConfigError, match=r"by retrained: .*\['val', 'derived'\]"):
        choose(rows, 'retrained')
    with pytest.raises(ConfigError, match='val or derived: the seeds have nothing'):
        choose({0: {'super_net': 1.0}, 1: {'val': 1.0}})


@pytest.fixture
def made(tmp_path):
    """Work dirs of three searches written by hand; what a file holds tells its seed."""
    folders = {seed: tmp_path / f'seed-{seed}' for seed in (5, 0, 11)}
    for seed, folder in folders.items():
        (folder / 'retrain').mkdir(parents=True)
        for name in (*COPIED, 'more.svg', 'epoch_1.pth', f'retrain/best_{seed}.pth'):
            (folder / name).write_text(f'{name} of {seed}')
        (folder / 'genotype.json').write_text(json.dumps(dict(cells=[], is_of=seed)))
        ends = {key: dict(metrics={'mAP': seed / 20}) for key in ('derived', 'super_net')}
        epochs = [
            dict(epoch=n, losses=dict(loss=1 / n), metrics=dict(accuracy_val=90.0 - seed + n))
            for n in (1, 2, 3)
        ]
        about = dict(algorithm='PPNAS', space='ppconv', seed=seed, choices={})
        record = dict(**about, epochs=epochs, result=dict(genotype=f'g{seed}', **ends))
        (folder / 'search.json').write_text(json.dumps(record))
        (folder / 'retrain/result.json').write_text(json.dumps(dict(metrics=dict(mAP=0.5))))
    return folders


def test_validation_decides_and_another_choice_replaces_all_of_the_first(tmp_path, made):
    text = keep_best(tmp_path, made)
    assert 'Best: seed 0, by accuracy_val of networks drawn in the last epoch' in text
    assert 'test data' not in text
    assert re.search(r'\| 0 \(best\) +\| +93.00 \| +0.000 \| +0.000 \| +0.500 \|', text)
    assert '87.67 ± 5.51' in text
    assert (tmp_path / 'more.svg').read_text() == 'more.svg of 0'
    assert not (tmp_path / 'epoch_1.pth').exists()
    text = keep_best(tmp_path, made, 'derived')
    assert 'Best: seed 11, by mAP of the derived network' in text and 'test data' in text
    for name in (*COPIED, 'more.svg', 'retrain/result.json', 'retrain/best_11.pth'):
        assert (tmp_path / name).read_bytes() == (made[11] / name).read_bytes()
    assert [p.name for p in (tmp_path / 'retrain').glob('*.pth')] == ['best_11.pth']
    assert not list(tmp_path.glob('.*.tmp'))


def svg_ids(path):
    return {e.get('id') for e in ElementTree.parse(path).getroot().iter() if e.get('id')}


def test_the_picture_has_every_seed_and_the_same_bytes_each_time(tmp_path, made):
    keep_best(tmp_path, made)
    picture = tmp_path / 'seeds.svg'
    first = picture.read_bytes()
    dots = {f'{key}-{s}' for key in ('val', 'super_net', 'derived', 'retrained') for s in made}
    assert dots | {f'curve-{seed}' for seed in made} <= svg_ids(picture)
    words = ''.join(ElementTree.parse(picture).getroot().itertext())
    assert '3 seeds, best by val: 0' in words and 'seed 0 (best)' in words
    assert 'seed 5' in words and 'accuracy_val' in words
    keep_best(tmp_path, made)
    assert picture.read_bytes() == first
    record = json.loads((made[5] / 'search.json').read_text())
    record['epochs'][-1]['metrics'] = {}
    (made[5] / 'search.json').write_text(json.dumps(record))
    assert 'Best: seed 11' in keep_best(tmp_path, made)  # seed 5 has no val: derived decides
    assert picture.read_bytes() != first


def test_a_search_is_alone_and_has_the_gpu_of_its_process(monkeypatch):
    launched = {
        'RANK': '3', 'WORLD_SIZE': '4', 'LOCAL_RANK': '1', 'GROUP_RANK': '1', 'MASTER_PORT': '1',
        'TORCHELASTIC_RUN_ID': 'x', 'SLURM_PROCID': '3', 'OMPI_COMM_WORLD_RANK': '3',
    }  # fmt: skip
    kept = {'LOCAL_DATA': 'x', 'SLURM_TMPDIR': 'x', 'OMP_NUM_THREADS': '1'}
    for name, value in {**launched, **kept}.items():
        monkeypatch.setenv(name, value)
    assert place('pytorch', os.environ) == (3, 4, 1)
    with pytest.raises(ConfigError, match='needs --launcher pytorch'):
        place('none', os.environ)
    assert place('none', {}) == (0, 1, 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    environment = search_environment('pytorch', 3)
    assert not launched.keys() & environment.keys() and kept.items() <= environment.items()
    assert environment['CUDA_VISIBLE_DEVICES'] == '1'
    assert 'CUDA_VISIBLE_DEVICES' not in search_environment('none', 0)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '6,7')
    assert search_environment('slurm', 1)['CUDA_VISIBLE_DEVICES'] == '7'


def test_a_stopped_process_takes_its_search_with_it(tmp_path):
    tool = tmp_path / 'tool.py'
    tool.write_text('import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n')
    arguments = (False, tool, tmp_path)
    process = get_context('fork').Process(target=Jobs(1).run, args=arguments)
    process.start()
    log, end = tmp_path / 'output.log', time.monotonic() + 30
    while not (log.is_file() and log.read_text().endswith('\n')):
        assert time.monotonic() < end and process.is_alive()
        time.sleep(0.05)
    child = int(log.read_text())
    process.terminate()
    process.join(20)
    assert process.exitcode not in (None, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
