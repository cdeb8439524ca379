"""Two processes (gloo) with different data keep one set of weights and one alpha, bit by bit."""

import os
import subprocess
import sys

from tool import ROOT


def test_replicas_stay_equal() -> None:
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node=2', '--master-port=29647',
        str(ROOT / 'tests/replicas_script.py'),
    ]  # fmt: skip
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests')])
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ('CDARTS', 'EoiNAS', 'SENAS'):
        assert done.stdout.count(f'EQUAL {name}') == 2
