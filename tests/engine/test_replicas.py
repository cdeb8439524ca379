"""Two processes (gloo) whose searches differ stop, each of them."""

import os
import subprocess
import sys

from tool import ROOT


def run_two(script: str, port: int) -> subprocess.CompletedProcess:
    """Run a script of the tests in two processes."""
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2',
        f'--master-port={port}', str(ROOT / 'tests/helpers' / script),
    ]  # fmt: skip
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests/helpers')])
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


def test_different_architectures_stop_every_process() -> None:
    done = run_two('differing_script.py', 29651)
    assert done.returncode == 0, done.stderr[-3000:]
    for what in ('parameters', 'pruned', 'merged'):
        assert done.stdout.count(f'STOPPED {what}') == 2
