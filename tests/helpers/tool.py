"""Runs the command-line tools inside or outside the test process."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# a search small enough for a test: 64 images, 8 channels, two searchable stages' worth of blocks
TINY = [
    'model.model.backbone.base_channels=8',
    'model.model.backbone.stem_channels=8',
    'model.model.head.in_channels=128',
    'train_dataloader.dataset.indices=64',
    'train_dataloader.batch_size=16',
    'val_dataloader.dataset.indices=40',
    'optim_wrapper.arch.optimizer.lr=1.0',
    'train_cfg.max_epochs=4',
]
TINY_TRAIN = [
    'model.backbone.base_channels=8',
    'model.backbone.stem_channels=8',
    'model.head.in_channels=128',
    *TINY[3:6],
    'train_cfg.max_epochs=1',
]
DIGITS = str(ROOT / 'configs/search/ppnas_digits.py')
RETRAIN = str(ROOT / 'configs/classification/pp-resnet20_digits.py')


def call(tool, *arguments):
    """Run ``tools/<tool>`` in this process; return its exit code."""
    saved = sys.argv
    sys.argv = [f'tools/{tool}', *map(str, arguments)]
    try:
        runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')
    except SystemExit as stop:
        return stop.code or 0
    finally:
        sys.argv = saved
    return 0


def start(tool, *arguments, **kwargs):
    """Start ``tools/<tool>`` as a process of its own."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, cwd=ROOT, **kwargs)
