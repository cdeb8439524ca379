"""A run goes on as the run that it was: edits are named, and refused where they count."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from bilevel_runs import SMALL
from tool import DIGITS, RETRAIN, ROOT, TINY, TINY_TRAIN, call

from ppnas_mm.engine.checkpoint import latest_checkpoint
from ppnas_mm.engine.settings import ALLOW, differences, settings_of
from ppnas_mm.genotype import Genotype
from ppnas_mm.weights.checkpoint import load_checkpoint

SHORT = [*TINY[:-1], 'train_cfg.max_epochs=2']
FILES = ('genotype.json', 'derived.safetensors', 'search.json', 'report.html')
ALLOWED = ALLOW.split()[1]


def search(folder: Path, *arguments: Any, options: list[str] = SHORT) -> int:
    """Run a search of digits; words with ``=`` are config options."""
    more = [a for a in arguments if '=' in str(a)]
    flags = [a for a in arguments if '=' not in str(a)]
    command = ['search.py', DIGITS, '--work-dir', folder, *flags]
    return call(*command, '--cfg-options', *options, *more)


def content(folder: Path) -> dict[str, bytes]:
    """The files of a search's end."""
    return {name: (folder / name).read_bytes() for name in FILES}


def last_line(capsys: Any) -> str:
    """The error of a tool."""
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of two epochs."""
    folder = tmp_path_factory.mktemp('search')
    assert search(folder) == 0
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A copy of it, moved elsewhere."""
    return shutil.copytree(run, tmp_path / 'moved')


@pytest.mark.parametrize(
    ('edit', 'words'),
    [
        (['--seed', '7'], 'randomness.seed was 0, is 7'),
        (['--amp'], 'optim_wrapper.weights.type was '),
        (
            ['optim_wrapper.weights.optimizer.lr=0.01'],
            'optim_wrapper.weights.optimizer.lr was 0.1, is 0.01',
        ),
        (['train_dataloader.batch_size=8'], 'train_dataloader.batch_size was 16, is 8'),
        (['train_dataloader.dataset.indices=32'], 'train_dataloader.dataset.indices was 64, is 32'),
        (
            ['train_dataloader.dataset.pipeline.0.padding=1'],
            'train_dataloader.dataset.pipeline.0.padding was 2, is 1',
        ),
        (['model.threshold=0.5'], "model.threshold was '(none)', is 0.5"),
        (['param_scheduler.weights.0.T_max=9'], 'param_scheduler.weights.0.T_max was 20, is 9'),
        (['default_hooks.search.recalibrate_batches=3'], 'recalibrate_batches was 22, is 3'),
        (['default_hooks.ema.type=EMAHook'], "default_hooks.ema.type was '(none)', is 'EMAHook'"),
        (['optim_wrapper.weights.accumulative_counts=2'], 'accumulative_counts was '),
        (['data_preprocessor.to_rgb=True'], 'data_preprocessor.to_rgb was False, is True'),
    ],
)
def test_what_makes_another_run_is_refused(
    copy: Path, capsys: Any, edit: list[str], words: str
) -> None:
    before = content(copy)
    assert search(copy, '--resume', *edit) == 2
    line = last_line(capsys)
    assert words in line and ALLOW in line and line.startswith('error: CheckpointError')
    assert content(copy) == before


def test_each_difference_is_named(copy: Path, capsys: Any) -> None:
    """The line is as long as it has to be; a longer run counts, too."""
    edits = ['train_dataloader.batch_size=8', 'optim_wrapper.arch.optimizer.lr=0.5']
    edits += [f'optim_wrapper.weights.optimizer.{k}=0.25' for k in ('momentum', 'weight_decay')]
    edits += ['data_preprocessor.to_rgb=True']
    edits += [
        'model.threshold=0.5',
        'model.zero_one_weight=2.5',
        'train_dataloader.drop_last=False',
    ]
    assert search(copy, '--resume', *edits, 'train_cfg.max_epochs=9') == 2
    line = last_line(capsys)
    assert line.count(' was ') == 9 and 'max_epochs was 2, is 9' in line and ALLOW in line
    assert 'batch_size was 16, is 8' in line and 'optimizer.lr was 1.0, is 0.5' in line


def test_what_leaves_the_training_alone_is_taken(copy: Path, run: Path) -> None:
    edits = [
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.max_keep_ckpts=5',
        'default_hooks.checkpoint.interval=1',
        'train_dataloader.num_workers=1',
        'log_level=WARNING',
        'test_dataloader.batch_size=7',
        'train_cfg.val_interval=2',
    ]
    (copy / 'epoch_2.pth').unlink()
    assert search(copy, '--resume', *edits) == 0
    found, whole = (load_checkpoint(f / 'epoch_2.pth') for f in (copy, run))
    assert found['state_dict'].keys() == whole['state_dict'].keys()
    assert (
        Genotype.load(copy / 'genotype.json').hash
        == json.loads((run / 'search.json').read_text())['result']['genotype']
    )


@pytest.mark.parametrize('newest', [1, 2])
def test_more_epochs_are_as_if_they_had_been_asked_for_at_once(
    copy: Path, tmp_path: Path, newest: int
) -> None:
    """``T_max`` is given, so only the end of the schedule follows; also at that end."""
    if newest == 1:
        (copy / 'epoch_2.pth').unlink()
    assert search(copy, '--resume', options=TINY) == 0
    assert search(tmp_path / 'whole', options=TINY) == 0
    assert content(copy) == content(tmp_path / 'whole')


def train(folder: Path, *arguments: Any, epochs: int) -> int:
    """Train digits."""
    given = [*TINY_TRAIN[:-1], f'train_cfg.max_epochs={epochs}']
    flags = [a for a in arguments if '=' not in str(a)]
    given += [a for a in arguments if '=' in str(a)]
    return call('train.py', RETRAIN, '--work-dir', folder, *flags, '--cfg-options', *given)


SCHEDULES = {
    'half a cosine': 'dict(type="CosineAnnealingLR", by_epoch=True)',
    'PolyLR': 'dict(type="PolyLR", power=0.9, by_epoch=True, convert_to_iter_based=True)',
}


@pytest.mark.parametrize('name', [*SCHEDULES, 'DropPathHook'])
def test_a_schedule_that_cannot_follow_is_refused(tmp_path: Path, capsys: Any, name: str) -> None:
    base, text, tiny = RETRAIN, '', TINY_TRAIN[:-1]
    if name in SCHEDULES:
        text = f'param_scheduler = dict(_delete_=True, **{SCHEDULES[name]})\n'
    else:
        base, tiny = RETRAIN.replace('pp-resnet20', 'cdarts-net'), TINY_TRAIN[3:-1]
        text = 'default_hooks = dict(drop_path=dict(type="ppnas_mm.DropPathHook"))\n'
        text += 'model = dict(backbone=dict(drop_path_rate=0.2))\n'
    config = tmp_path / 'mine.py'
    config.write_text(f'_base_ = {base!r}\n{text}')
    run = ['train.py', config, '--work-dir', tmp_path / 'run']
    given = ['--cfg-options', *tiny]
    assert call(*run, *given, 'train_cfg.max_epochs=2') == 0
    assert call(*run, '--resume', *given, 'train_cfg.max_epochs=3') == 2
    line = last_line(capsys)
    assert 'train_cfg.max_epochs was 2, is 3' in line and ALLOW in line
    wanted = {'half a cosine': 'param_scheduler.0.T_max was 2, is 3', 'PolyLR': 'total_iters was 7'}
    assert wanted.get(name, 'DropPathHook follows') in line


def test_a_search_that_follows_its_length_is_refused(tmp_path: Path, capsys: Any) -> None:
    config = str(ROOT / 'configs/search/gdas_digits.py')
    small = [o for o in SMALL if not o.startswith('train_cfg.max')]
    run = ['search.py', config, '--work-dir', tmp_path]
    assert call(*run, *small, 'train_cfg.max_epochs=2') == 0
    capsys.readouterr()
    assert call(*run, '--resume', *small, 'train_cfg.max_epochs=3') == 2
    line = last_line(capsys)
    assert 'the schedule of GDAS follows the number of epochs' in line


def test_fewer_epochs_than_there_are_is_refused(copy: Path, capsys: Any) -> None:
    assert search(copy, '--resume', options=[*TINY[:-1], 'train_cfg.max_epochs=1']) == 2
    assert 'it has 2 epochs (8 iterations) already' in last_line(capsys)


def test_a_training_compares_too(tmp_path: Path, capsys: Any) -> None:
    assert train(tmp_path, epochs=1) == 0
    assert train(tmp_path, '--resume', 'optim_wrapper.optimizer.lr=0.5', epochs=1) == 2
    assert 'optim_wrapper.optimizer.lr was 0.1, is 0.5' in last_line(capsys)
    assert train(tmp_path, '--resume', '--genotype', 'pp_resnet_cifar100', epochs=1) == 2
    assert 'another genotype' in last_line(capsys)
    assert train(tmp_path, '--resume', epochs=2) == 0
    assert train(tmp_path / 'whole', epochs=2) == 0
    one, two = (load_checkpoint(f / 'epoch_2.pth') for f in (tmp_path, tmp_path / 'whole'))
    assert all(torch.equal(one['state_dict'][k], v) for k, v in two['state_dict'].items())


def test_the_way_out_records_the_seed_that_ran(copy: Path, capsys: Any) -> None:
    assert search(copy, '--resume', '--seed', '7', ALLOWED, options=TINY) == 0
    log = max(copy.glob('2*/*.log')).read_text()
    assert 'resumed with another setting: randomness.seed was 0, is 7' in log
    record = json.loads((copy / 'search.json').read_text())
    assert record['seed'] == 0  # mmengine goes on with the checkpoint's
    assert Genotype.load(copy / 'genotype.json').provenance['search']['seed'] == 0
    assert latest_checkpoint(copy) == copy / 'epoch_4.pth'


def test_an_older_checkpoint_says_that_nothing_is_compared(copy: Path) -> None:
    for path in copy.glob('*.pth'):
        data = torch.load(path, weights_only=True)
        del data['meta']['settings']
        torch.save(data, path)
    assert search(copy, '--resume') == 0
    assert 'the checkpoint has no settings' in max(copy.glob('2*/*.log')).read_text()


@pytest.mark.long
def test_seeds_are_searched_again_with_other_settings(tmp_path: Path, capsys: Any) -> None:
    both = ['--seeds', '0,1']
    assert search(tmp_path, *both) == 0
    capsys.readouterr()
    assert search(tmp_path, *both, '--resume', 'model.threshold=0.5') == 2
    out, error = capsys.readouterr()
    assert '[1/2]' in out and '[2/2' in out
    assert error.count("model.threshold was '(none)', is 0.5") == 2
    assert search(tmp_path, *both, '--resume', options=TINY) == 0
    for folder in (tmp_path, tmp_path / 'seed-0', tmp_path / 'seed-1'):
        search_ = Genotype.load(folder / 'genotype.json').provenance['search']
        assert search_['epoch'] == search_['epochs'] == 4
    capsys.readouterr()
    assert search(tmp_path, *both, '--resume', options=TINY) == 0
    assert '[1/2' not in capsys.readouterr().out


@pytest.mark.long
def test_a_retraining_with_other_settings_is_repeated(tmp_path: Path, capsys: Any) -> None:
    again = tmp_path / 'again.py'
    command = ['--seeds', '0', '--retrain', again]
    text = f'_base_ = {RETRAIN!r}\ntrain_dataloader = dict(dataset=dict(indices=64))\n'
    text += 'model = dict(backbone=dict(base_channels=8, stem_channels=8), '
    text += 'head=dict(in_channels=128))\ntrain_cfg = dict(max_epochs=1)\n'
    again.write_text(text)
    assert search(tmp_path / 'run', *command) == 0
    capsys.readouterr()
    assert search(tmp_path / 'run', *command, '--resume') == 0
    assert '[1/1' not in capsys.readouterr().out
    again.write_text(text + 'optim_wrapper = dict(optimizer=dict(lr=0.3))\n')
    assert search(tmp_path / 'run', *command, '--resume') == 2
    assert 'optim_wrapper.optimizer.lr was 0.1, is 0.3' in last_line(capsys)


def test_settings_are_what_a_run_reads() -> None:
    config = {
        'model': {'type': Genotype, 'sizes': (1, 2), 'none': None, 'empty': {}},
        'my_own': 3,
        'work_dir': 'a',
        'train_dataloader': {'num_workers': 2, 'batch_size': 4},
    }
    assert settings_of(config) == {
        'model.type': 'ppnas_mm.genotype.Genotype',
        'model.sizes.0': 1,
        'model.sizes.1': 2,
        'model.none': None,
        'model.empty': {},
        'train_dataloader.batch_size': 4,
    }
    assert not differences({'a': 1, 'b': float('nan')}, {'a': 1.0, 'b': float('nan')})
    assert differences({'a': 1}, {'b': 2}) == {'a': (1, '(none)'), 'b': ('(none)', 2)}
