"""One run a work dir, children that end with their parent, and nothing left of what was killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from tool import DIGITS, ROOT, TINY, call, start

from ppnas_mm.engine.work_dir import (
    LOCK,
    BusyError,
    alone,
    lock,
    put_aside,
    release,
    remove_leftovers,
)
from ppnas_mm.utils.jobs import Jobs
from ppnas_mm.weights.checkpoint import load_checkpoint

RUN = ['--cfg-options', *TINY]
LONG = ['train_cfg.max_epochs=30']  # longer than two starts can be apart
HOLD = (
    'import sys, time\nfrom pathlib import Path\nfrom ppnas_mm.engine.work_dir import lock\n'
    'lock(Path(sys.argv[1]))\nimport os\nif os.fork() == 0:\n    time.sleep(60)\n    os._exit(0)\n'
    'print("held", flush=True)\ntime.sleep(60)\n'
)
FILES = ('genotype.json', 'derived.safetensors', 'search.json', 'report.html')


def wait_for(condition: Any, seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.02)


@pytest.fixture
def held(tmp_path: Path) -> Any:
    """A work dir that another process has, which has a forked worker, too."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and 'held\n' in process.stdout  # after what libraries say
    yield tmp_path, process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(
    'arguments', [[], ['--resume'], ['--seeds', '0,1'], ['--seeds', '0', '--resume']]
)
def test_a_second_run_says_who_has_the_work_dir(held: Any, capsys: Any, arguments: list) -> None:
    folder, process = held
    (folder / 'search.json').write_text('{}')
    assert call('search.py', DIGITS, '--work-dir', folder, *arguments, *RUN) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert f'another run uses the work dir {folder}: process {process.pid} on ' in line
    assert (folder / 'search.json').read_text() == '{}' and not list(folder.glob('earlier_*'))


def test_a_dead_process_holds_nothing_though_its_worker_lives(held: Any) -> None:
    folder, process = held
    with pytest.raises(BusyError):
        lock(folder)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    lock(folder)
    assert f'process {os.getpid()} ' in (folder / LOCK).read_text()
    release()


def test_a_run_gives_its_work_dir_back(tmp_path: Path) -> None:
    """Tools are called one after the other in one process, as notebooks do."""
    with alone(tmp_path):
        pass
    code = 'import sys\nfrom pathlib import Path\nfrom ppnas_mm.engine.work_dir import lock\n'
    command = [sys.executable, '-c', code + 'lock(Path(sys.argv[1]))', str(tmp_path)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    assert subprocess.run(command, env=environment).returncode == 0
    lock(tmp_path)
    lock(tmp_path)  # this process has it already
    assert subprocess.run(command, env=environment, stderr=subprocess.PIPE).returncode == 1
    release()
    assert subprocess.run(command, env=environment).returncode == 0


def test_only_the_first_of_several_processes_locks(held: Any, monkeypatch: Any) -> None:
    from ppnas_mm.engine.work_dir import start_run

    class Given(dict):
        work_dir = str(held[0])

    monkeypatch.setenv('SLURM_PROCID', '1')
    start_run(Given(launcher='slurm'), resume=False)
    monkeypatch.setenv('SLURM_PROCID', '0')
    with pytest.raises(BusyError):
        start_run(Given(launcher='slurm'), resume=False)


def run_jobs(tool: Path, folder: Path) -> None:
    Jobs(1).run(False, tool, folder)


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux tells children')
def test_a_child_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    tool = tmp_path / 'tool.py'
    tool.write_text('import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n')
    process = get_context('fork').Process(target=run_jobs, args=(tool, tmp_path))
    process.start()
    log = tmp_path / 'output.log'
    wait_for(lambda: log.is_file() and log.read_text().endswith('\n'))
    child = Path(f'/proc/{int(log.read_text())}')
    assert child.exists()
    process.kill()
    process.join()
    wait_for(lambda: not child.exists() or 'Z' in (child / 'stat').read_text().split()[2], 5)


def test_temporary_files_of_dead_processes_go(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    gone = [f'.epoch_1.pth.{dead.pid}.tmp', f'.search.json.{os.getpid()}.tmp', f'.a.{10**30}.tmp']
    kept = [f'.epoch_1.pth.{os.getppid()}.tmp', '.mine.tmp', '.epoch_1.pth.part', 'x.1.tmp']
    for name in [*gone, *kept]:
        (tmp_path / name).write_text('x')
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(kept)


def test_earlier_runs_are_numbered_on(tmp_path: Path) -> None:
    for name in ('earlier_2', 'earlier_9', 'earlier_x'):
        (tmp_path / name).mkdir()
    for number in (10, 11):
        (tmp_path / 'search.json').write_text(str(number))
        put_aside(tmp_path)
        assert (tmp_path / f'earlier_{number}' / 'search.json').read_text() == str(number)


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that nothing happened to."""
    folder = tmp_path_factory.mktemp('whole')
    assert call('search.py', DIGITS, '--work-dir', folder, *RUN) == 0
    return folder


@pytest.fixture
def killed(whole: Path, tmp_path: Path) -> Path:
    """The same after its third epoch, with what a kill leaves."""
    folder = shutil.copytree(whole, tmp_path / 'killed', ignore=shutil.ignore_patterns('2*'))
    (folder / 'epoch_4.pth').unlink()
    (folder / 'derived.safetensors').unlink()
    (folder / '.epoch_4.pth.999999999.tmp').write_bytes(b'half')
    return folder


DAMAGES = {
    'missing': lambda path: path.unlink(),
    'cut off': lambda path: path.write_bytes(path.read_bytes()[:-40]),
    'empty object': lambda path: path.write_text('{}'),
    'another number': lambda path: path.write_text(
        path.read_text().replace('"epoch": 2', '"epoch": 7', 1)
    ),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_the_record_is_rebuilt(whole: Path, killed: Path, damage: str) -> None:
    DAMAGES[damage](killed / 'search.json')
    assert call('search.py', DIGITS, '--work-dir', killed, '--resume', *RUN) == 0
    for name in FILES:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(killed.glob('.*.tmp'))
    log = max(killed.glob('2*/*.log')).read_text()
    told = 'search.json' in log and 'its epochs are taken from the checkpoint' in log
    assert told == (damage != 'empty object')


def test_what_cannot_be_rebuilt_stands_in_the_record(killed: Path) -> None:
    """A checkpoint of an earlier version has no record in it."""
    path = killed / 'epoch_3.pth'
    data = load_checkpoint(path)
    del data['message_hub']['runtime_info']['search_epochs']
    torch.save(data, path)
    (killed / 'search.json').unlink()
    assert call('search.py', DIGITS, '--work-dir', killed, '--resume', *RUN) == 0
    record = json.loads((killed / 'search.json').read_text())
    assert record['lost_epochs'] == [1, 2, 3]
    assert [entry['epoch'] for entry in record['epochs']] == [4]
    assert 'the record lacks epochs [1, 2, 3]' in max(killed.glob('2*/*.log')).read_text()


def test_a_damaged_record_is_one_line(whole: Path, tmp_path: Path, capsys: Any) -> None:
    folder = shutil.copytree(whole, tmp_path / 'copy')
    for text, words in (('{"epochs', 'no valid JSON'), (None, 'no search.json')):
        path = folder / 'search.json'
        path.write_text(text) if text else path.unlink()
        assert call('derive.py', folder, '--out', tmp_path / 'out') == 2
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert str(folder) in line and words in line


def test_an_interrupt_while_the_config_is_formatted(
    tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', interrupted)
    assert call('search.py', DIGITS, '--work-dir', tmp_path, *RUN) == 130
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith('interrupted; --resume') and 'SyntaxError' not in line


def test_seeds_of_a_config_that_says_resume_are_not_put_aside(tmp_path: Path) -> None:
    config = tmp_path / 'mine.py'
    config.write_text(f'_base_ = {DIGITS!r}\nresume = True\n')
    command = ['search.py', config, '--seeds', '0', '--work-dir', tmp_path / 'run', *RUN]
    assert call(*command) == 0
    before = (tmp_path / 'run/seed-0/epoch_4.pth').stat().st_mtime_ns
    assert call(*command) == 0
    assert (tmp_path / 'run/seed-0/epoch_4.pth').stat().st_mtime_ns == before
    assert not list(tmp_path.rglob('earlier_*'))


def test_two_runs_at_once_one_of_which_ends_with_a_line(tmp_path: Path, whole: Path) -> None:
    """Whoever comes second leaves the results of the first alone."""
    options = dict(stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    processes = [
        start('search.py', DIGITS, '--work-dir', tmp_path, *RUN, *LONG, **options) for _ in range(2)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 2]
    assert sum('another run uses the work dir' in error for error in errors) == 1
    assert (tmp_path / 'genotype.json').is_file() and not list(tmp_path.glob('earlier_*'))
