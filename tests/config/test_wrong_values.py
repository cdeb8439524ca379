"""Values that cannot be right are found before the work starts, by one line that names them."""

import errno
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from tool import DIGITS, RETRAIN, TINY, TINY_TRAIN, call

from ppnas_mm.cli.errors import run_tool
from ppnas_mm.config.load import load_config
from ppnas_mm.engine.run import load_run
from ppnas_mm.utils import files as fileio

TRAIN = {
    'env_cfg.cudnn_benchmrk=True': "env_cfg: unknown key 'cudnn_benchmrk'; did you mean 'cudnn",
    'env_cfg.dist_cfg.bakend=gloo': "env_cfg.dist_cfg: unknown key 'bakend'; did you mean 'backend",
    'env_cfg.mp_cfg.opencv_num_thread=0': 'opencv_num_threads',
    'find_unused_parameters=maybe': "find_unused_parameters='maybe': expected True or False",
    'resume=yes': "resume='yes': expected True or False",
    'log_level=LOUD': "log_level='LOUD': expected one of",
    'custom_hooks.type=EMAHook': 'custom_hooks: expected a list',
    'train_cfg.max_epochs=-1': 'train_cfg.max_epochs=-1: expected a whole number from 1',
    'train_cfg.max_epochs=2.5': 'train_cfg.max_epochs=2.5: expected a whole number from 1',
    'train_cfg.val_interval=0': 'train_cfg.val_interval=0',
    'train_dataloader.batch_size=0': 'train_dataloader.batch_size=0',
    'val_dataloader.batch_size=many': "val_dataloader.batch_size='many'",
    'train_dataloader.num_workers=-2': 'train_dataloader.num_workers=-2',
    'train_dataloader.sampler.shuffle=perhaps': "train_dataloader.sampler.shuffle='perhaps'",
    'train_dataloader.sampler.shufle=True': "did you mean 'shuffle'",
    'optim_wrapper.optimizer.lr=fast': "optim_wrapper.optimizer.lr='fast': expected a number",
    'optim_wrapper.optimizer.momentum=high': "optim_wrapper.optimizer.momentum='high'",
    'optim_wrapper.optimizer.nesterov=maybe': "optim_wrapper.optimizer.nesterov='maybe'",
    'default_hooks.checkpoint.intervall=1': "default_hooks.checkpoint: unknown key 'intervall'",
    'default_hooks.checkpoint.interval=often': "default_hooks.checkpoint.interval='often'",
    'default_hooks.checkpoint.max_keep_ckpts=0': 'max_keep_ckpts=0: expected 1 or more',
    'default_hooks.logger.intervall=1': "did you mean 'interval'",
    'data_preprocessor.num_classes=3': 'has 10 classes, but data_preprocessor.num_classes=3',
    'data_preprocessor.to_rgp=True': "did you mean 'to_rgb'",
    'model.head.num_classes=20': 'has 10 classes, but head.num_classes=20',
    'model.head.num_classes=5': 'has 10 classes, but head.num_classes=5',
    'train_dataloader.dataset.indices=3': 'train_dataloader.batch_size=16: the training set has',
    'model.backbone.depth=deep': "depth='deep'",
    'train_cfg=5': 'train_cfg=5: expected a mapping',
    'val_dataloader=none': "val_dataloader='none': expected a mapping",
    'randomness=5': 'randomness=5: expected a mapping',
    'env_cfg=5': 'env_cfg=5: expected a mapping',
    'env_cfg.mp_cfg=5': 'env_cfg.mp_cfg=5: expected a mapping',
    'env_cfg.dist_cfg=5': 'env_cfg.dist_cfg=5: expected a mapping',
    'default_hooks=[1]': 'default_hooks=[1]: expected a mapping',
    'model.backbone=5': 'model.backbone=5: expected a mapping, as the config has',
    'model.backbone=resnet18': "model.backbone='resnet18': expected a mapping",
    'model.head.loss=5': 'give its entries: model.head.loss.KEY=VALUE',
    'optim_wrapper.optimizer=SGD': "optim_wrapper.optimizer='SGD': expected a mapping",
    'optim_wrapper.optimizer=[5]': 'optim_wrapper.optimizer=[5]: expected a mapping',
    'train_dataloader.dataset=7': 'train_dataloader.dataset=7: expected a mapping',
    'train_dataloader.sampler=True': 'train_dataloader.sampler=True: expected a mapping',
    'default_hooks.logger=5': 'default_hooks.logger=5: expected a mapping',
    'model.backbone.depth.x=5': 'x',
    'foo': '--cfg-options foo: expected KEY=VALUE',
}
SEARCH = {
    'model.zero_one_weight=abc': "model.zero_one_weight='abc': expected a number",
    'default_hooks.search.recalibrate_batches=x': "recalibrate_batches='x'",
    'default_hooks.search.recalibrate_batches=-3': 'recalibrate_batches=-3: expected 0 or more',
    'default_hooks.search.recalibrate_batchs=3': "did you mean 'recalibrate_batches'",
    'optim_wrapper.arch.optimizer.lr=slow': "optim_wrapper.arch.optimizer.lr='slow'",
}


def one_line(capsys, *arguments):
    assert call(*arguments) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    return line


@pytest.mark.parametrize(('option', 'words'), TRAIN.items())
def test_training(capsys, tmp_path, option, words):
    run = ('train.py', RETRAIN, '--work-dir', tmp_path, '--cfg-options', *TINY_TRAIN, option)
    assert words in one_line(capsys, *run)
    assert not list(tmp_path.glob('*.pth')) and not (tmp_path / 'result.json').exists()


@pytest.mark.parametrize(('option', 'words'), SEARCH.items())
def test_searches(capsys, tmp_path, option, words):
    run = ('search.py', DIGITS, '--work-dir', tmp_path, '--cfg-options', *TINY, option)
    assert words in one_line(capsys, *run)
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize(
    ('config', 'option'),
    [('senas_digits.py', 'model.drop=each'), ('ppnas_digits.py', 'model.identities=first')],
)
def test_a_text_where_the_class_takes_one(config, option):
    """A number by default does not mean that nothing else is right."""
    run = Namespace(
        config=str(Path(DIGITS).with_name(config)),
        cfg_options=dict([option.split('=')]),
        work_dir=None,
        seed=0,
        launcher='none',
        local_rank=0,
    )
    assert option.split('=')[1] in load_run(run).model.values()


@pytest.mark.parametrize('length', ['max_epochs', 'max_iters', 'val_interval', 'val_begin'])
def test_a_length_in_scientific_notation(length, tmp_path):
    """mmengine takes 4e4 iterations, from a file and as an option."""
    options = {f'train_cfg.{length}': 4e4}
    by_option = load_config(DIGITS, options).train_cfg[length]
    (tmp_path / 'own.py').write_text(f'_base_ = {DIGITS!r}\ntrain_cfg = dict({length}=4e4)\n')
    by_file = load_config(tmp_path / 'own.py').train_cfg[length]
    assert by_option == by_file == 40_000
    assert type(by_option) is type(by_file) is int
    assert load_config(DIGITS, {f'train_cfg.{length}': 2.5}).train_cfg[length] == 2.5


def test_a_last_batch_of_one_image(capsys):
    def main():
        torch.nn.BatchNorm2d(8)(torch.zeros(1, 8, 1, 1))

    with pytest.raises(SystemExit):
        run_tool(main)
    line = capsys.readouterr().err
    assert 'Expected more than 1 value per channel' in line and 'drop_last=True' in line


@pytest.mark.parametrize('launcher', ['mpi', 'slurm', 'pytorch'])
def test_a_launcher_that_is_not_there(capsys, tmp_path, monkeypatch, launcher):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.delenv(name, raising=False)
    line = one_line(capsys, 'train.py', RETRAIN, '--work-dir', tmp_path, '--launcher', launcher)
    assert f'--launcher {launcher} did not start this process' in line


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(fileio.os, 'fsync', full)
    with pytest.raises(OSError, match=r'No space left on device: .*result\.json'):
        fileio.write_atomic(tmp_path / 'result.json', b'x')
    assert list(Path(tmp_path).iterdir()) == []
