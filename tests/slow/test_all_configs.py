"""Every config that mmdet, mmseg and mmpretrain ship is taken (tests/test_users_configs.py: a sample)."""

import pytest
from test_users_configs import LIBRARIES, refused, shipped


@pytest.mark.parametrize('name', LIBRARIES)
def test_all_configs_of_a_library(name):
    paths = shipped(name)
    assert len(paths) > 700
    assert refused(paths) == {}
