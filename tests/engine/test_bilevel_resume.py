"""A search that is stopped and resumed ends in the same bytes: in a cycle, between shrinkings."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from bilevel_runs import FILES, OPTIONS, check_two_processes, read, run
from tool import call

from ppnas_mm.engine import SearchLoop


@pytest.fixture(scope='module', params=OPTIONS)
def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Name and folder of a search that was interrupted in its second epoch."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    real = SearchLoop.run_iter

    def run_iter(loop: SearchLoop, index: int, batch: Any) -> None:
        if (loop.epoch, index) == (1, 1):
            raise KeyboardInterrupt
        real(loop, index, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SearchLoop, 'run_iter', run_iter)
        assert run(name, folder) == 130
    return name, folder


def test_a_checkpoint_holds_what_a_phase_needs_and_nothing_pruned(stopped: Any) -> None:
    name, folder = stopped
    checkpoint = torch.load(folder / 'epoch_1.pth', weights_only=True)
    state = checkpoint['state_dict']
    owned = checkpoint['optimizer']['weights']['param_groups'][0]['params']
    weights = [k for k in state if k.startswith('model.') and '.arch.' not in k]
    trained = [k for k in weights if k.endswith(('weight', 'bias'))]
    if name == 'cdarts_digits':
        assert any(key.startswith('evaluation.') for key in state)
        return
    assert len(owned) == len(trained)
    if name == 'eoinas_digits':
        (row,) = (key for key in state if key.endswith('backbone.alive'))
        assert int((~state[row]).sum()) == 28  # one of the operations of each edge
    else:
        assert int((~state['model.backbone.alive']).sum()) == 4
        assert len(state['model.backbone.merged'].unique()) < len(state['model.backbone.merged'])
        assert not state['selected'].any() and state['importance'].isfinite().any()


def test_an_interrupt_changes_nothing(stopped: Any, tmp_path: Path) -> None:
    """``slow`` has kills; ``test_resume.py`` kills another search."""
    name, start = stopped
    assert not (start / 'derived.safetensors').exists()
    whole, folder, again = (tmp_path / part for part in ('whole', 'resumed', 'again'))
    shutil.copytree(start, folder)
    assert run(name, whole) == 0
    assert run(name, folder, '--resume') == 0
    assert read(folder, *FILES) == read(whole, *FILES)
    assert call('derive.py', whole, '--out', again) == 0
    assert read(again, *FILES[:2]) == read(whole, *FILES[:2])
    pictures = {'genotype.svg', 'search.svg'}
    if name == 'eoinas_digits':
        pictures |= {'importance.svg', 'importance_table.svg'}
    if name == 'senas_digits':
        pictures |= {'stages.svg', 'growth.svg'}
    assert {path.name for path in folder.glob('*.svg')} == pictures


@pytest.mark.long
def test_two_processes_search_one_architecture(tmp_path: Path) -> None:
    """The search that shrinks and expands; ``slow`` has the others."""
    check_two_processes('senas_digits', tmp_path)
