"""Searches of several processes, started as a user does, and stopped at an epoch."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bilevel_runs import OPTIONS as BILEVEL
from bilevel_runs import SENAS, SMALL
from tool import ROOT, TINY

SPOS = [o for o in SENAS if o.split('=')[0] not in (
    'model.first_epochs', 'model.stage_epochs', 'model.max_stages', 'model.drop',
    'model.threshold', 'model.models_per_op')]  # fmt: skip
TWO_PARTS = [o for o in SMALL if not o.startswith('model.warmup_epochs')]
OPTIONS = {
    'ppnas_digits': ['--cfg-options', *TINY],
    **BILEVEL,
    'spos_digits': SPOS,
    'darts_digits': TWO_PARTS,
    'gdas_digits': TWO_PARTS,
}
"""For each search of digits, what makes it small; it has four epochs, or ends after three."""
FILES = ('genotype.json', 'derived.safetensors', 'search.json', 'report.html')


def start(
    name: str,
    folder: Path,
    *options: str,
    resume: bool = False,
    processes: int = 2,
    config: Path | None = None,
) -> Any:
    """Start a search under torchrun, 8 images a process; ``options`` add to its own."""
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--standalone',
        f'--nproc-per-node={processes}', str(ROOT / 'tools/search.py'),
        str(config or ROOT / f'configs/search/{name}.py'), '--work-dir', str(folder),
        '--launcher', 'pytorch', *['--resume'] * resume,
        *OPTIONS[name], 'train_dataloader.batch_size=8', *options,
    ]  # fmt: skip
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(name: str, folder: Path, *options: str, **kwargs: Any) -> None:
    """Run a search to its end."""
    process = start(name, folder, *options, **kwargs)
    error = process.communicate(timeout=600)[1]
    assert process.returncode == 0, error[-3000:]


def stop_after_first_epoch(name: str, folder: Path, *options: str, **kwargs: Any) -> None:
    """Run a search and end all of its processes once the first checkpoint is there."""
    process = start(name, folder, *options, **kwargs)
    while process.poll() is None and not (folder / 'epoch_1.pth').is_file():
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()[1][-3000:]
    process.terminate()  # torchrun ends its workers
    process.communicate(timeout=60)
    assert not (folder / 'derived.safetensors').exists()


def as_interrupted(whole: Path, folder: Path, epoch: int) -> None:
    """Make a work dir as a search of which ``whole`` kept all checkpoints leaves it."""
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns('*.pth', 'derived.*', '2*'))
    shutil.copy(whole / f'epoch_{epoch}.pth', folder)


def read(folder: Path) -> dict[str, bytes]:
    """What must be the same however often a search was stopped."""
    return {file: (folder / file).read_bytes() for file in FILES}
