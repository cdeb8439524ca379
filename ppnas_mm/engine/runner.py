"""mmengine's runner, which leaves the user's own config as it is."""

from __future__ import annotations

from pathlib import Path

from mmengine.dist import master_only
from mmengine.runner import Runner as _Runner

from ..algorithms.base import SearchAlgorithm
from .work_dir import NETWORK, copy_name


class Runner(_Runner):
    """mmengine's runner.

    It writes the whole config into the work dir under the name of the file that it was read from.
    Where this file itself lies there, this runner takes the time of its start for a name, as
    mmengine does for a config without a file.  ``config.py`` is left to the network of a search.
    """

    @master_only
    def dump_config(self) -> None:
        """Write the config into the work dir."""
        own = Path(self.cfg.filename or '')
        target = Path(self.work_dir) / own.name
        mine = own.is_file() and target.is_file() and target.samefile(own)
        changed = mine and own.read_text() != self.cfg.pretty_text
        search = isinstance(getattr(self.model, 'module', self.model), SearchAlgorithm)
        if search and own.name == NETWORK:
            self.cfg.dump(str(target.with_name(copy_name(self.cfg))))
        elif changed:
            self.cfg.dump(str(target.with_name(f'{self.timestamp}.py')))
        else:
            super().dump_config()
