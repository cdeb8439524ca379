"""One thread, a quiet logger, a torchvision that imports, and a tiny super-net of each space."""

import gc
from collections import Counter
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from lengths import is_long
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from rooms import marks
from zoo import SPACES, build_super_net

from ppnas_mm.spaces import SuperNet

torch.set_num_threads(1)
MMLogger.get_instance('mmengine', log_level='ERROR')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its room: ``-m layers``; and what `make test` leaves to `make slow`."""
    runs: Counter[tuple[Path, str]] = Counter()
    for item in items:
        function = getattr(item, 'originalname', item.name)
        for name in marks(item.path, function):
            item.add_marker(name)
        if is_long(item.path.name, function, runs[item.path, function]):
            item.add_marker('long')
        runs[item.path, function] += 1


@pytest.fixture(scope='session', autouse=True)
def _quick() -> None:
    """Spare short runs what takes no time in long ones."""
    import_module('mmpretrain.models')  # and with it mmdet
    from yapf.yapflib import yapf_api

    real = yapf_api.FormatCode

    @lru_cache(50)
    def laid_out(text: str, style: tuple) -> Any:
        return real(text, style_config=dict(style))

    # mmengine lays out the text of the config for the log and for each checkpoint
    yapf_api.FormatCode = lambda text, style_config: laid_out(text, tuple(style_config.items()))
    gc.collect()
    gc.freeze()  # each data set of mmengine collects garbage, among all that was ever imported


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
