"""Shared by the tests of downstream bad input and others."""

import json

import pytest
from scenes import DETECTION, SEGMENTATION, detection, segmentation
from tool import call

from ppnas_mm.datasets.digit_scenes import write_scenes


@pytest.fixture
def scenes(tmp_path):
    write_scenes(tmp_path / 'data', {'train': 4, 'test': 2})
    return tmp_path / 'data'


def detect(scenes, *options):
    """Train the detector on the folder; return the exit code."""
    given = ['--cfg-options', *detection(scenes), *options]
    return call('train.py', DETECTION, '--work-dir', scenes.parent / 'work', *given)


def segment(scenes, *options):
    """Train the segmentor on the folder; return the exit code."""
    given = ['--cfg-options', *segmentation(scenes), *options]
    return call('train.py', SEGMENTATION, '--work-dir', scenes.parent / 'work', *given)


def error(capsys):
    """The last line on stderr."""
    return capsys.readouterr().err.strip().splitlines()[-1]


def edit(path, change):
    """Change a JSON file."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
