"""Where the configs that come with the package are."""

from __future__ import annotations

from pathlib import Path

from .keys import ConfigError

PACKAGE = Path(__file__).parents[1]


def configs_dir() -> Path:
    """Return the folder of the shipped configs: in the package, or in the checkout.

    Raises:
        ConfigError: If neither has them.
    """
    for folder in (PACKAGE / '.mim' / 'configs', PACKAGE.parent / 'configs'):
        if folder.is_dir():
            return folder
    raise ConfigError(f'{PACKAGE / ".mim/configs"}: no such folder; install the package again')


def shipped(name: str) -> Path:
    """Return the path of a shipped config by its path in ``configs``.

    Raises:
        ConfigError: If there is none.
    """
    path = configs_dir() / name
    if not path.is_file():
        raise ConfigError(f'config {name}: not among those that come with the package')
    return path
