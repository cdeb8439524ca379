"""Ranks of the processes that a launcher starts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..config.keys import ConfigError

LAUNCHERS = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}
"""Variables in which a launcher sets rank, number of processes and local rank."""

LAUNCHED = re.compile(
    r'((LOCAL|GROUP|ROLE)_)?(RANK|WORLD_SIZE)|ROLE_NAME|MASTER_(ADDR|PORT)'
    r'|(TORCHELASTIC|OMPI|PMI|PMIX)_.*|SLURM_(?!JOB|TMPDIR).*'
)
"""Variables that mark a process as one of several; removed for searches, which run alone."""


def check_launcher(launcher: str, environment: Mapping[str, str]) -> None:
    """Check that a launcher has started this process.

    Raises:
        ConfigError: If it has not; the message names the missing variable.
    """
    missing = [name for name in LAUNCHERS.get(launcher, ()) if name not in environment]
    if missing:
        raise ConfigError(
            f'--launcher {launcher} did not start this process: {missing[0]} is not set'
        )


def place(launcher: str, environment: Mapping[str, str]) -> tuple[int, int, int]:
    """Return this process' rank, the number of processes and its local rank.

    Raises:
        ConfigError: If the launcher has not started this process.
    """
    if launcher == 'none':
        if int(environment.get('WORLD_SIZE', 1)) > 1:
            raise ConfigError('--seeds under torchrun needs --launcher pytorch')
        return 0, 1, 0
    check_launcher(launcher, environment)
    rank, count, local = (int(environment[name]) for name in LAUNCHERS[launcher])
    return rank, count, local
