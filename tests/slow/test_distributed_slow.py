"""Every algorithm, searched by several processes, stopped and resumed, ends in the same bytes."""

from pathlib import Path

import pytest
from tool import DIGITS
from two_processes import OPTIONS, read, run, stop_after_first_epoch

THREE = ('ppnas_digits', 3, 'train_dataloader.dataset.indices=144')
"""More than two, because then the order of a sum matters."""


@pytest.mark.parametrize(('name', 'processes', 'more'), [*((n, 2, '') for n in OPTIONS), THREE])
def test_several_processes_resume_to_the_same_bytes(
    name: str, processes: int, more: str, tmp_path: Path
) -> None:
    options = [more] if more else []
    run(name, tmp_path / 'whole', *options, processes=processes)
    stop_after_first_epoch(name, tmp_path / 'stopped', *options, processes=processes)
    run(name, tmp_path / 'stopped', *options, processes=processes, resume=True)
    assert read(tmp_path / 'stopped') == read(tmp_path / 'whole')


def test_each_of_ddps_wrappers_is_compiled(tmp_path: Path) -> None:
    """Each epoch has a wrapper of its own; the runner compiles the first, before epoch 1."""
    config, folder = tmp_path / 'compiled.py', tmp_path / 'search'
    config.write_text(f"_base_ = {DIGITS!r}\ncompile = dict(backend='eager')\n")
    run('ppnas_digits', folder, config=config)
    (log,) = folder.glob('*/*.log')
    assert log.read_text().count('Model has been "compiled"') == 1 + 4
