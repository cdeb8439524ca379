"""Long runs: memory and files stay flat, kills inside detectors change nothing, many at once."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from scenes import DETECTION, SEGMENTATION, detection
from tool import ROOT, start

from ppnas_mm.benchmarks.gpu_check.searches import SEARCHES, TINY
from ppnas_mm.datasets.digit_scenes import write_scenes

EPOCHS = 30
HOOK = '''
import json, os
from pathlib import Path
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module(force=True)
class MeasureHook(Hook):
    """Writes resident memory (MB) and open files after each epoch."""

    priority = 'LOWEST'

    def after_train_epoch(self, runner):
        pages = int(Path('/proc/self/statm').read_text().split()[1])
        row = [pages * os.sysconf('SC_PAGE_SIZE') / 2**20, len(os.listdir('/proc/self/fd'))]
        with open(Path(runner.work_dir) / 'measured.jsonl', 'a') as file:
            file.write(json.dumps(row) + '\\n')
'''


def wait(process):
    """Return exit code and output."""
    output, _ = process.communicate()
    return process.returncode, output


def begin(*arguments):
    return start(
        *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def flat(options):
    """Give the entries of mappings one by one."""
    for key, value in options.items():
        if isinstance(value, dict):
            yield from ((f'{key}.{inner}', v) for inner, v in value.items())
        else:
            yield key, value


@pytest.mark.parametrize('name', SEARCHES)
def test_memory_and_files_stay_flat(name, tmp_path):
    """Over 30 epochs; what grows in the first ten is what the allocator keeps."""
    (tmp_path / 'measure_hook.py').write_text(HOOK)
    config = tmp_path / 'long.py'
    config.write_text(
        f"_base_ = '{ROOT}/configs/search/{name}.py'\n"
        "custom_imports = dict(imports=['measure_hook'])\n"
        "custom_hooks = [dict(type='MeasureHook')]\n"
    )
    given = {**SEARCHES[name], **TINY, 'train_cfg.max_epochs': EPOCHS, 'train_cfg.val_interval': 10}
    options = [f'{key}={value}'.replace(' ', '') for key, value in flat(given)]
    run = ['search.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options]
    paths = f'{ROOT}{os.pathsep}{tmp_path}'
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': paths}
    command = [sys.executable, str(ROOT / 'tools' / run[0]), *map(str, run[1:])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 2), done.stderr[-1000:]  # 2: found nothing whole in so few steps
    lines = (tmp_path / 'run/measured.jsonl').read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == EPOCHS or name == 'senas_digits'  # it ends when nothing is left to drop
    early, last = rows[len(rows) // 3], rows[-1]
    print(f'{name}: {early[0]:.0f} MB, {early[1]} files after {len(rows) // 3 + 1} epochs; '
          f'{last[0]:.0f} MB, {last[1]} files after {len(rows)}')  # fmt: skip
    assert last[0] < early[0] * 1.05 + 20 and last[1] <= early[1]


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    out = tmp_path_factory.mktemp('scenes')
    write_scenes(out, {'train': 8, 'test': 2}, seed=1)
    return out


RUNS = {
    'detector': ('train.py', DETECTION),
    'search in a detector': ('search.py', '--model', DETECTION, '--space', 'ppconv'),
    'search in a segmentor': ('search.py', '--model', SEGMENTATION, '--space', 'ppconv'),
}


def options_of(kind, scenes):
    if kind == 'detector':
        return [*detection(scenes), 'train_cfg.max_epochs=3']
    roots = [f'data_root={scenes}' + '/voc' * ('segmentor' in kind)]
    few = ['train_dataloader.batch_size=2', 'train_cfg.max_epochs=3', 'train_cfg.val_interval=3']
    return [*roots, *few, 'optim_wrapper.arch.optimizer.lr=0.3', 'model.threshold=0.01']


@pytest.mark.parametrize('kind', RUNS)
def test_kills_inside_detectors_and_segmentors(kind, scenes, tmp_path):
    options = ['--cfg-options', *options_of(kind, scenes)]
    code, output = wait(begin(*RUNS[kind], '--work-dir', tmp_path / 'whole', *options))
    assert code == 0, output[-1500:]
    for epochs in (1, 2):
        process = begin(*RUNS[kind], '--work-dir', tmp_path / 'killed', '--resume', *options)
        while process.poll() is None and not (tmp_path / f'killed/epoch_{epochs}.pth').is_file():
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    again = begin(*RUNS[kind], '--work-dir', tmp_path / 'killed', '--resume', *options)
    code, output = wait(again)
    assert code == 0, output[-1500:]
    for name in ('genotype.json', 'derived.safetensors', 'search.json', 'result.json'):
        if (tmp_path / 'whole' / name).is_file():
            left, right = (tmp_path / n / name for n in ('whole', 'killed'))
            assert left.read_bytes() == right.read_bytes(), name
    changed = [*options, 'train_dataloader.batch_size=4']
    code, output = wait(begin(*RUNS[kind], '--work-dir', tmp_path / 'killed', '--resume', *changed))
    assert code == 2 and 'train_dataloader.batch_size' in output
    newest = max((tmp_path / 'killed').glob('epoch_*.pth'), key=lambda p: int(p.stem[6:]))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 4
    newest.write_bytes(content)
    code, output = wait(begin(*RUNS[kind], '--work-dir', tmp_path / 'killed', '--resume', *options))
    assert code == 0 and 'falling back to the previous one' in output


def test_eight_searches_at_once(tmp_path):
    options = [f'{k}={v}' for k, v in {**SEARCHES['ppnas_digits'], **TINY}.items()]
    options += ['train_cfg.max_epochs=2', 'model.threshold=0.01']
    config = ROOT / 'configs/search/ppnas_digits.py'
    runs = [
        begin('search.py', config, '--work-dir', tmp_path / str(i), '--cfg-options', *options)
        for i in range(8)
    ]
    for process in runs:
        code, output = wait(process)
        assert code == 0, output[-1500:]
    names = ('genotype.json', 'derived.safetensors', 'search.json')
    for name in names:
        assert len({(tmp_path / str(i) / name).read_bytes() for i in range(8)}) == 1, name
