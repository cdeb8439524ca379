"""Shared by the tests of checksums and others."""

from pathlib import Path

import pytest
from tool import DIGITS, RETRAIN, TINY, TINY_TRAIN, call

RUN = ['--cfg-options', *TINY]


@pytest.fixture(scope='module')
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search, and beside it a training."""
    folder = tmp_path_factory.mktemp('search')
    assert call('search.py', DIGITS, '--work-dir', folder, *RUN) == 0
    train = ['--work-dir', folder / 'retrain', '--cfg-options', *TINY_TRAIN]
    assert call('train.py', RETRAIN, *train) == 0
    return folder
