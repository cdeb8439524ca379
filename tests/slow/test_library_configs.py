"""Searches from configs of the libraries that nobody has chosen: ten of each, drawn at random."""

import random
from pathlib import Path
from typing import Any

import mmdet
import mmpretrain
import mmseg
import pytest
import torch

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config
from ppnas_mm.config.model import build_model
from ppnas_mm.engine import search_config
from ppnas_mm.engine.search_config import to_search
from ppnas_mm.layers.plug import PlugError

COUNT, SEED = 10, 0


def drawn(library: Any) -> list[str]:
    """Configs of a library that train a model with one backbone."""
    root = Path(library.__file__).parent / '.mim/configs'
    files = sorted(p for p in root.glob('*/*.py') if p.parent.name not in ('_base_', 'common'))
    random.Random(SEED).shuffle(files)
    found = []
    for path in files:
        try:
            model = load_config(path).get('model') or {}
        except ConfigError:  # of another project, or with a base that is not shipped
            continue
        if isinstance(model.get('backbone'), dict):
            found.append(str(path))
        if len(found) == COUNT:
            break
    return found


@pytest.mark.parametrize('library', [mmdet, mmseg, mmpretrain], ids=lambda one: one.__name__)
def test_other_spaces_or_a_reason(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the configs or more can have a PP-ResNet; the others say why not.

    Most segmentors read maps of a dilated ResNet, which chains do not have.
    """
    monkeypatch.setattr(search_config, '_steps', lambda config: 100)
    said = {}
    for path in drawn(library):
        for space in ('ppconv', 'chain'):
            try:
                to_search(load_config(path), space, 'random')
            except ConfigError as error:
                assert '\n' not in str(error)
                said[path, space] = str(error)
    refused = [path for path, space in said if space == 'ppconv']
    assert len(refused) <= COUNT // 2, said


@pytest.mark.parametrize('library', [mmdet, mmseg, mmpretrain], ids=lambda one: one.__name__)
def test_two_steps_or_a_reason(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some configs of each library can be searched (transformers have no convolutions to replace);
    the others are refused in one line.
    """
    monkeypatch.setattr(search_config, '_steps', lambda config: 100)  # the data are not here
    said = {}
    for path in drawn(library):
        try:
            search = to_search(load_config(path), 'plugged', 'random')
        except (ConfigError, PlugError) as error:
            assert '\n' not in str(error)
            said[path] = str(error)
            continue
        search.model.model.backbone.backbone.pop('init_cfg', None)
        algorithm: Any = build_model(search)
        backbone = algorithm.model.backbone.train()
        weights = [p for p in backbone.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(weights, 1e-6)  # maps of untrained networks are large
        for _ in range(2):
            maps = backbone(torch.rand(2, 3, 224, 224))
            loss = torch.stack([m.square().mean() for m in maps]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert loss.isfinite(), path
        for place in backbone.places:
            block = backbone.net.get_submodule(place.name)
            assert any(p.grad is not None for p in block.parameters()), (path, place)
    assert len(said) <= COUNT - 3, said
