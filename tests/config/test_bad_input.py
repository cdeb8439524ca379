"""Bad input: one line that names what is wrong, a non-zero exit, earlier results intact."""

import json
import os

import pytest
import torch
from tool import DIGITS, RETRAIN, ROOT, TINY, TINY_TRAIN, call

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config
from ppnas_mm.weights.checkpoint import CheckpointError, load_checkpoint


class Bomb:
    """A pickle that would leave a file behind."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def fails(capsys, *command):
    """Run a tool that must fail with one line; return the line."""
    capsys.readouterr()
    assert call(*command) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith('error: ')]
    assert len(lines) == 1
    return lines[0]


def search(capsys, folder, *options):
    return fails(
        capsys, 'search.py', DIGITS, '--work-dir', folder, '--cfg-options', *TINY, *options
    )


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ('train_cfg.max_epoch=3', "did you mean 'max_epochs'"),
        ('optim_wraper.weights=1', "no run reads 'optim_wraper'"),
        ('optim_wrapper.wights.optimizer.lr=1', "did you mean 'weights'"),
        ('model.zero_one_weigth=1', "did you mean 'zero_one_weight'"),
        ('model.model.backbone.dept=20', "did you mean 'depth'"),
        ('model.model.backbone.type=ppnas_mm.PPConvSupernet', 'PPConvSupernet'),
        ('model.model.backbone.depth=21', 'depth=21'),
        ('model.model.backbone.depth=11', 'no block to search'),
        (
            'model.limits.params=1e5',
            "PPNAS takes no 'limits', these do: CDARTS, RandomSearch, SENAS, SPOS",
        ),
        (
            'model.type=ppnas_mm.PPNSA',
            "'ppnas_mm.PPNSA': no such class; did you mean 'ppnas_mm.PPNAS'",
        ),
        ('model.type=GDAS', "'GDAS': no such class; did you mean 'ppnas_mm.GDAS'"),
        ('model.type=ppnas_mm.Quux', 'no such class. An algorithm of your own is registered in'),
        ('model.reduction=avg', "reduction='avg'"),
        ('train_dataloader.persistent_workers=True', 'persistent_workers'),
        ('optim_wrapper.weights.optimizer.lrr=1', 'lrr'),
    ],
)
def test_misspelt_or_impossible_option(capsys, tmp_path, option, words):
    assert words in search(capsys, tmp_path, option)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ("model = dict(type='X')\noptim_wraper = dict()", "did you mean 'optim_wrapper'"),
        ("model = dict(type='X')\ndefault_hooks = dict(chekpoint=dict(type='Y'))", 'chekpoint'),
        ('model = dict(', 'was never closed'),
        ("_base_ = './nowhere.py'", 'nowhere.py'),
    ],
)
def test_misspelt_config(tmp_path, text, words):
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(ConfigError, match=r'(?i)' + words.replace('.', r'\.')):
        load_config(path)


def test_missing_model(capsys, tmp_path):
    (tmp_path / 'config.py').write_text('train_cfg = dict()')
    assert "missing key 'model'" in fails(capsys, 'train.py', tmp_path / 'config.py')


def test_missing_files(capsys, tmp_path):
    assert 'nowhere.py: no such file' in fails(capsys, 'search.py', tmp_path / 'nowhere.py')
    config = ROOT / 'configs/search/ppnas_imagefolder.py'
    assert 'nowhere' in fails(
        capsys, 'search.py', config, '--work-dir', tmp_path, '--cfg-options',
        f'train_dataloader.dataset.data_root={tmp_path}/nowhere',
    )  # fmt: skip
    assert 'no search.json' in fails(capsys, 'derive.py', tmp_path, '--out', tmp_path / 'out')
    line = fails(capsys, 'test.py', RETRAIN, tmp_path / 'no.pth', '--work-dir', tmp_path)
    assert 'no.pth: no such file' in line


def test_truncated_genotype(capsys, tmp_path):
    path = tmp_path / 'genotype.json'
    path.write_text((ROOT / 'ppnas_mm/genotypes/pp_resnet_cifar10.json').read_text()[:200])
    for tool in (
        ['train.py', RETRAIN, '--genotype', path],
        ['visualize.py', path, '--out', 'x.svg'],
    ):
        line = fails(capsys, *tool)
        assert 'GenotypeError' in line and str(path) in line


def test_checkpoint_of_another_space(capsys, tmp_path):
    options = [*TINY, 'train_cfg.max_epochs=1']
    run = ['search.py', DIGITS, '--work-dir', tmp_path, '--resume', '--cfg-options', *options]
    # one epoch is too short to derive, but it leaves a checkpoint
    assert call(*run, 'optim_wrapper.arch.optimizer.lr=0.001') == 2
    before = (tmp_path / 'epoch_1.pth').read_bytes()
    line = fails(capsys, *run, "model.model.backbone.ops=('identity','conv_3x3')")
    assert "another stage1/node4/op: ['identity', 'conv_1x1', 'conv_3x3'], not" in line
    data = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    data['meta']['ppnas_mm']['space'] = 'darts'
    torch.save(data, tmp_path / 'epoch_1.pth')
    assert "another space: 'darts', not 'ppconv'" in fails(capsys, *run)
    assert len(before) == pytest.approx((tmp_path / 'epoch_1.pth').stat().st_size, rel=0.1)


def test_weights_of_another_network(capsys, tmp_path):
    options = ['--cfg-options', *TINY_TRAIN]
    assert call('train.py', RETRAIN, '--work-dir', tmp_path, *options) == 0
    checkpoint = tmp_path / 'epoch_1.pth'
    other = ['--genotype', 'pp_resnet_cifar100']
    line = fails(capsys, 'test.py', RETRAIN, checkpoint, *other, '--work-dir', tmp_path, *options)
    assert 'another genotype' in line
    wide = [o.replace('=8', '=16').replace('=128', '=256') for o in TINY_TRAIN]
    command = ['test.py', RETRAIN, checkpoint, '--work-dir', tmp_path, '--cfg-options', *wide]
    assert 'does not fit the model' in fails(capsys, *command)


def test_nan_loss_stops_and_keeps_what_was_there(capsys, tmp_path):
    assert call('search.py', DIGITS, '--work-dir', tmp_path, '--cfg-options', *TINY) == 0
    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    command = ['search.py', DIGITS, '--work-dir', tmp_path, '--resume', '--cfg-options', *TINY]
    allowed = 'default_hooks.checkpoint.other_settings=True'
    line = fails(capsys, *command, 'train_cfg.max_epochs=6', 'model.zero_one_weight=nan', allowed)
    assert 'nan at epoch 5, iteration 1' in line and 'epoch 4' in line
    for name in ('genotype.json', 'derived.safetensors', 'epoch_4.pth', 'search.json'):
        assert (tmp_path / name).read_bytes() == kept[name], name


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_pickle_with_code_is_refused(tmp_path, suffix):
    path = tmp_path / f'epoch_1{suffix}'
    torch.save({'state_dict': Bomb(tmp_path / 'exploded')}, path)
    with pytest.raises(CheckpointError, match='epoch_1'):
        load_checkpoint(path)
    assert not (tmp_path / 'exploded').exists()


def test_search_json_is_never_pickled(tmp_path):
    (tmp_path / 'search.json').write_text(json.dumps({'config': '../../etc/passwd', 'seed': 0}))
    assert call('derive.py', tmp_path, '--out', tmp_path / 'out') == 2
