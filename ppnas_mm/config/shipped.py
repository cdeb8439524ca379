"""Configs by name: those that come with the package, and those of the libraries."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from .keys import ConfigError, hint

PACKAGE = Path(__file__).parents[1]
LIBRARIES = ('mmpretrain', 'mmdet', 'mmseg')


def home() -> Path:
    """Return the folder that has ``configs``, ``tools`` and ``model_zoo``.

    It is the checkout, or in an installed package its folder ``.mim``.

    Raises:
        ConfigError: If neither has them.
    """
    for folder in (PACKAGE.parent, PACKAGE / '.mim'):
        if (folder / 'configs').is_dir() and (folder / 'tools').is_dir():
            return folder
    raise ConfigError(f'{PACKAGE / ".mim"}: no configs there; install the package again')


def configs_dir() -> Path:
    """Return the folder of the configs that come with the package."""
    return home() / 'configs'


def shipped(name: str) -> Path:
    """Return the path of a config by its path in ``configs``.

    Raises:
        ConfigError: If there is none.
    """
    path = configs_dir() / name
    if not path.is_file():
        raise ConfigError(f'config {name}: not among those that come with the package')
    return path


def find_config(name: str | Path) -> Path:
    """Return the file of a config.

    Args:
        name: A path; else the path or the name of a config that comes with the package
            (``configs/search/ppnas_digits.py``, ``ppnas_digits``); else ``LIBRARY::NAME``, a config
            that comes with mmpretrain, mmdet or mmseg (``mmdet::retinanet_r50_fpn_1x_coco``).

    Raises:
        ConfigError: If there is no such file; the message names close ones.
    """
    if Path(name).is_file():
        return Path(name)
    scope, found, word = str(name).rpartition('::')
    if found:
        return _among(_library(scope, str(name)), word, str(name))
    return _among(configs_dir(), str(name).removeprefix('configs/'), str(name))


def _library(scope: str, name: str) -> Path:
    """Return the folder of a library's configs."""
    if scope not in LIBRARIES:
        raise ConfigError(f'config {name}: expected one of {list(LIBRARIES)} before "::"')
    spec = find_spec(scope)
    if spec is None or spec.origin is None:
        raise ConfigError(f'config {name}: {scope} is not installed')
    return Path(spec.origin).parent / '.mim' / 'configs'


def _among(folder: Path, word: str, name: str) -> Path:
    """Return the config of a folder with a path or a name."""
    if (folder / word).is_file():
        return folder / word
    wanted = word.removesuffix('.py')
    if '/' in wanted or Path(name).suffix not in ('', '.py'):
        raise ConfigError(f'config {name}: no such file')
    known = {p.stem: p for p in folder.glob('*/*.py') if not p.parts[-2].startswith('_')}
    if wanted not in known:
        raise ConfigError(f'config {name}: no such file{hint(wanted, known)}')
    return known[wanted]
