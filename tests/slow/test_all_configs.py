"""Every config that mmdet, mmseg and mmpretrain ship is taken (a sample: test_users_configs.py)."""

import pytest
from shipped import LIBRARIES, refused, shipped


@pytest.mark.parametrize('name', LIBRARIES)
def test_all_configs_of_a_library(name):
    paths = shipped(name)
    assert len(paths) > 700
    assert refused(paths) == {}
