"""Shared by the tests of users configs and others."""

import importlib.util
from pathlib import Path

from mmengine.config import Config

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config

LIBRARIES = ('mmdet', 'mmseg', 'mmpretrain')


def shipped(name: str) -> list[Path]:
    """All configs that an installed library ships."""
    package = Path(importlib.util.find_spec(name).submodule_search_locations[0])
    return sorted((package / '.mim' / 'configs').rglob('*.py'))


def refused(paths: list[Path]) -> dict[str, str]:
    """What load_config refuses although mmengine reads it."""
    found = {}
    for path in paths:
        try:
            load_config(path)
        except ConfigError as error:
            try:
                Config.fromfile(str(path))
            except Exception:  # mmengine cannot read it either: its base is missing, say
                continue
            found[str(path)] = str(error)
    return found
