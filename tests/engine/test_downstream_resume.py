"""A killed detector or segmentor training goes on, and ends as if it had not been killed."""

import signal
import subprocess
import time

import pytest
import torch
from scenes import DETECTION, SEGMENTATION, detection, segmentation
from tool import call, start

from ppnas_mm.datasets.digit_scenes import write_scenes
from ppnas_mm.weights.checkpoint import load_checkpoint

GFLV2 = DETECTION.with_name(DETECTION.name.replace('retinanet', 'gflv2'))


@pytest.mark.parametrize(
    ('config', 'options'), [(GFLV2, detection), (SEGMENTATION, segmentation)], ids=['det', 'seg']
)
def test_a_killed_training_resumes_to_the_same_weights(config, options, tmp_path):
    """Through ``torch.load`` with its default, ``weights_only=True``."""
    write_scenes(tmp_path / 'data', {'train': 6, 'test': 2})
    given = ['--cfg-options', *options(tmp_path / 'data'), 'train_cfg.max_epochs=3']
    given += [
        'train_cfg.val_interval=4',
        'val_dataloader=None',
        'val_cfg=None',
        'val_evaluator=None',
    ]
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    assert call('train.py', config, '--work-dir', whole, *given) == 0
    process = start(
        'train.py', config, '--work-dir', killed, *given,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (killed / 'epoch_1.pth').is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (killed / 'epoch_1.pth').is_file()
    torch.load(killed / 'epoch_1.pth')
    assert call('train.py', config, '--work-dir', killed, '--resume', *given) == 0
    expected, found = (load_checkpoint(d / 'epoch_3.pth')['state_dict'] for d in (whole, killed))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[k], found[k]) for k in expected)
