"""One thread, a quiet logger, a torchvision that imports, and a tiny super-net of each space."""

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from zoo import SPACES, build_super_net

from ppnas_mm.compat import guard_torchvision
from ppnas_mm.spaces import SuperNet

guard_torchvision()
torch.set_num_threads(1)
MMLogger.get_instance('mmengine', log_level='ERROR')


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
    DefaultScope._instance_dict.clear()  # a tool that ran in this process has set one


@pytest.fixture(params=sorted(SPACES))
def space(request: pytest.FixtureRequest) -> str:
    """Name of a search space; a test that takes it runs once for each."""
    return request.param


@pytest.fixture
def super_net(space: str) -> SuperNet:
    """Tiny super-net of the space, scrambled and in evaluation mode."""
    return build_super_net(space)
