"""A search that starts from the super-net of another one."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from small_searches import write_search
from tool import call

from ppnas_mm.weights.checkpoint import load_checkpoint

STILL = ['optim_wrapper.weights.optimizer.lr=0.0', 'default_hooks.search.recalibrate_batches=0']


@pytest.fixture(scope='module')
def spos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny trained super-net."""
    folder = tmp_path_factory.mktemp('spos')
    assert call('search.py', write_search('spos', folder), '--work-dir', folder / 'work') == 0
    return folder / 'work' / 'epoch_1.pth'


def test_weights_are_taken_over_and_alpha_is_new(spos: Path, tmp_path: Path, capsys: Any) -> None:
    """GDAS whose weights do not learn ends with those of SPOS; its alpha moves from nothing."""
    words = ['--work-dir', tmp_path / 'work', '--cfg-options', f'load_from={spos}', *STILL]
    assert call('search.py', write_search('gdas', tmp_path), *words) == 0
    assert 'starts from the super-net of SPOS' in ''.join(capsys.readouterr())
    first = load_checkpoint(spos)['state_dict']
    second = load_checkpoint(tmp_path / 'work' / 'epoch_1.pth')['state_dict']
    names = {k for k in first if k.startswith('model.') and k.endswith('.weight')}
    assert len(names) > 40 and all(torch.equal(first[k], second[k]) for k in names)
    alphas = [v for k, v in second.items() if '.arch.' in k]
    assert alphas and all(float(v.abs().max()) > 0 for v in alphas)
    assert 'selected' not in second and 'importance' not in second  # SPOS' own


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (
            ['init_channels=8', '../head.in_channels=32'],
            r'the super-net of SPOS has no model\.backbone\.\S+ of shape',
        ),
        (["ops=['none','skip_connect','nor_conv_3x3']"], 'was made by another cell/'),
    ],
)
def test_another_space_is_refused(
    spos: Path, tmp_path: Path, capsys: Any, options: list[str], text: str
) -> None:
    words = [f'model.model.backbone.{o}'.replace('backbone.../', '') for o in options]
    words = ['--work-dir', str(tmp_path / 'w'), '--cfg-options', f'load_from={spos}', *words]
    assert call('search.py', write_search('gdas', tmp_path), *words) != 0
    assert re.search(f'CheckpointError: load_from: {spos}.*{text}', capsys.readouterr().err)


def test_an_expanded_super_net_is_refused(spos: Path, tmp_path: Path, capsys: Any) -> None:
    """Merged choices have weights of their own, which another super-net has no place for."""
    data = torch.load(spos, weights_only=True)
    key = next(k for k in data['state_dict'] if k.endswith('nor_conv_3x3.conv.weight'))
    data['state_dict'][key] = data['state_dict'][key].repeat(3, 1, 1, 1)
    torch.save(data, tmp_path / 'expanded.pth')
    words = ['--cfg-options', f'load_from={tmp_path}/expanded.pth']
    config = write_search('gdas', tmp_path)
    assert call('search.py', config, '--work-dir', tmp_path / 'w', *words) != 0
    assert f'has no {key} of shape' in capsys.readouterr().err
