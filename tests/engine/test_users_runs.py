"""Runs as users of OpenMMLab have them: by iterations, with averages, from other weights."""

import json
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from tool import DIGITS, RETRAIN, ROOT, TINY, TINY_TRAIN, call

from ppnas_mm.engine.checkpoint import _plain, latest_checkpoint
from ppnas_mm.utils.files import write_atomic
from ppnas_mm.weights.checkpoint import load_checkpoint

ITERATIONS = """
train_cfg = dict(_delete_=True, by_epoch=False, max_iters=4, val_interval=4)
train_dataloader = dict(sampler=dict(type='InfiniteSampler', shuffle=True))
param_scheduler = []
"""
SMALL = [option for option in TINY_TRAIN if not option.startswith('train_cfg')]


def write(folder, text, base=RETRAIN):
    path = folder / 'mine.py'
    path.write_text(f'_base_ = {str(base)!r}\n{text}')
    return path


def train(config, folder, *more, options=SMALL):
    return call('train.py', config, '--work-dir', folder, *more, '--cfg-options', *options)


def error(capsys, *arguments, **kwargs):
    assert train(*arguments, **kwargs) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.mark.parametrize(
    ('hook', 'place'),
    [
        ('dict(by_epoch=False, interval=2)', 'run/iter_4.pth'),
        ("dict(by_epoch=False, interval=2, filename_tmpl='step-{}.pth')", 'run/step-4.pth'),
        ("dict(by_epoch=False, interval=2, out_dir='OUT')", 'out/run/iter_4.pth'),
    ],
)
def test_a_run_by_iterations_goes_on(tmp_path, hook, place):
    hook = hook.replace('OUT', str(tmp_path / 'out'))
    config = write(tmp_path, f'{ITERATIONS}default_hooks = dict(checkpoint={hook})')
    assert train(config, tmp_path / 'run') == 0
    before = load_checkpoint(tmp_path / place)
    assert before['meta']['iter'] == 4
    more = ['train_cfg.max_iters=6', *SMALL]
    assert train(config, tmp_path / 'run', '--resume', options=more) == 0
    after = load_checkpoint((tmp_path / place).with_name(place.split('/')[-1].replace('4', '6')))
    assert after['meta']['iter'] == 6
    momentum = [c['optimizer']['state'][0]['momentum_buffer'] for c in (before, after)]
    assert not torch.equal(*momentum)
    assert (tmp_path / place).is_file()  # nothing was started over


def test_other_names_of_checkpoints_are_not_run_over(tmp_path, capsys):
    run = tmp_path / 'run'
    write_atomic(run / 'step_3.pth', b'x')
    line = error(capsys, write(tmp_path, ''), run, '--resume')
    assert 'step_3.pth' in line and 'epoch_{}.pth' in line and 'load_from' in line
    assert (run / 'step_3.pth').read_bytes() == b'x'
    (run / 'step_3.pth').rename(run / 'backbone.pth')  # weights that are no checkpoint of a run
    assert latest_checkpoint(run) is None


def test_a_config_that_says_resume(tmp_path):
    config = write(tmp_path, 'resume = True')
    assert train(config, tmp_path / 'run', options=TINY_TRAIN) == 0
    more = [*SMALL, 'train_cfg.max_epochs=2']
    assert train(config, tmp_path / 'run', options=more) == 0
    assert load_checkpoint(tmp_path / 'run/epoch_2.pth')['meta']['epoch'] == 2
    assert (tmp_path / 'run/epoch_1.pth').is_file() and not list(tmp_path.glob('run/earlier_*'))


def test_what_a_run_starts_from_is_not_put_aside(tmp_path, capsys):
    run = tmp_path / 'run'
    assert train(RETRAIN, run, options=TINY_TRAIN) == 0
    for key in ('load_from', 'model.backbone.init_cfg.checkpoint'):
        options = [*TINY_TRAIN, f'{key}={run}/epoch_1.pth']
        options += ['model.backbone.init_cfg.type=Pretrained'] if 'init' in key else []
        line = error(capsys, RETRAIN, run, options=options)
        assert 'epoch_1.pth is in the work dir' in line and '--work-dir' in line
    assert (run / 'epoch_1.pth').is_file()


AVERAGES = [
    "default_hooks = dict(ema=dict(type='EMAHook', momentum=0.02))",
    "custom_hooks = [dict(type='EMAHook', momentum=0.3, update_buffers=True)]",
    "custom_hooks = [dict(type='mmpretrain.EMAHook', momentum=0.3, evaluate_on_origin=True)]",
    "custom_hooks = [dict(type='EMAHook', momentum=0.3, begin_epoch=1)]",
]


@pytest.mark.parametrize('hooks', AVERAGES)
def test_the_result_is_that_of_the_checkpoint(tmp_path, capsys, hooks):
    config = write(tmp_path, hooks)
    options = [*SMALL, 'train_cfg.max_epochs=2']
    assert train(config, tmp_path / 'run', options=options) == 0
    printed = capsys.readouterr().out.strip().splitlines()[-1]
    result = json.loads((tmp_path / 'run/result.json').read_text())['metrics']['accuracy/top1']
    given = [o for o in SMALL if o.startswith('model')] + ['test_dataloader.dataset.indices=40']
    weights = tmp_path / 'run/epoch_2.pth'
    again = ('test.py', config, weights, '--work-dir', tmp_path / 'test', '--cfg-options', *given)
    assert call(*again) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1] == printed
    assert printed == f'accuracy/top1: {result:.2f}'
    stored = load_checkpoint(weights)
    moved = stored['ema_state_dict']  # mmengine exchanges them: here are the raw weights
    key = 'head.fc.weight'
    assert not torch.equal(stored['state_dict'][key], moved[f'module.{key}'])


@pytest.mark.parametrize(
    ('value', 'plain'),
    [
        (np.float64(0.9), 0.9),
        (np.float32(0.5), 0.5),
        (torch.tensor(0.25), 0.25),
        (np.array(3), 3),
        (np.bool_(True), True),
        (Fraction(1, 4), 0.25),
        ((1, np.int64(2)), [1, 2]),
        ('path', 'path'),
        (None, None),
        ({'a': 1}, None),
    ],
)
def test_numbers_in_a_checkpoint_are_plain(value, plain):
    assert _plain(value) == plain and type(_plain(value)) is type(plain)


def test_the_best_score_survives_a_resume(tmp_path):
    text = "default_hooks = dict(checkpoint=dict(save_best='score', rule='greater'))"
    metric = tmp_path / 'falling.py'
    metric.write_text(
        'import numpy as np\nfrom mmengine.evaluator import BaseMetric\n'
        'from mmengine.registry import METRICS\n\n\n@METRICS.register_module(force=True)\n'
        'class Falling(BaseMetric):\n'
        '    def process(self, data_batch, data_samples):\n        self.results.append(0)\n\n'
        '    def compute_metrics(self, results):\n'
        '        path = __file__ + ".calls"\n'
        '        open(path, "a").write("x")\n'
        '        return dict(score=np.float64(1 / len(open(path).read())))\n'
    )
    text += "\nval_evaluator = dict(_delete_=True, type='Falling')\ntest_evaluator = val_evaluator"
    text += "\ncustom_imports = dict(imports=['falling'])"
    sys.path.insert(0, str(tmp_path))
    try:
        config, run = write(tmp_path, text), tmp_path / 'run'
        assert train(config, run, options=TINY_TRAIN) == 0
        assert train(config, run, '--resume', options=[*SMALL, 'train_cfg.max_epochs=2']) == 0
    finally:
        sys.path.remove(str(tmp_path))
    assert [p.name for p in run.glob('best*')] == ['best_score_epoch_1.pth']


def test_an_average_in_a_search_that_prunes_is_refused(tmp_path, capsys):
    base = DIGITS.replace('ppnas_digits', 'eoinas_digits')
    config = write(tmp_path, "custom_hooks = [dict(type='EMAHook')]", base)
    arguments = ['search.py', config, '--work-dir', tmp_path / 'run']
    assert call(*arguments, '--cfg-options', 'train_dataloader.dataset.indices=128') == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'EMAHook' in line and 'EoiNAS prunes' in line
    assert not list(tmp_path.glob('run/*.pth'))


def test_a_search_with_averages_is_derived_from_its_checkpoint(tmp_path):
    config = write(tmp_path, "custom_hooks = [dict(type='EMAHook', momentum=0.2)]", DIGITS)
    options = [*TINY, 'optim_wrapper.arch.optimizer.lr=3.0', 'model.threshold=0.2']
    run = ['search.py', config, '--work-dir', tmp_path / 'run', '--cfg-options', *options]
    assert call(*run) == 0
    again = ['derive.py', tmp_path / 'run', '--out', tmp_path / 'again']
    assert call(*again) == 0
    for name in ('genotype.json', 'derived.safetensors'):
        assert (tmp_path / 'run' / name).read_bytes() == (tmp_path / 'again' / name).read_bytes()


def test_weights_of_another_kind_of_model(tmp_path, capsys):
    assert train(RETRAIN, tmp_path / 'c', options=TINY_TRAIN) == 0
    weights = load_checkpoint(tmp_path / 'c/epoch_1.pth')
    for kind, words in (('RetinaNet', "init_cfg=dict(type='Pretrained'"), ('PPNAS', '--init-from')):
        about = {**weights['meta']['ppnas_mm'], 'model': kind}
        if kind == 'PPNAS':
            about['space'] = 'ppconv'
        other = {**weights, 'meta': {**weights['meta'], 'ppnas_mm': about}}
        torch.save(other, tmp_path / 'other.pth')
        options = [*TINY_TRAIN, f'load_from={tmp_path}/other.pth']
        line = error(capsys, RETRAIN, tmp_path / 'run', options=options)
        assert kind in line and words in line and 'this is ImageClassifier' in line
    init = f"dict(type='Pretrained', checkpoint='{tmp_path}/c/epoch_1.pth', prefix='backbone')"
    text = f'model = dict(backbone=dict(init_cfg={init}))'
    assert train(write(tmp_path, text), tmp_path / 'run', options=TINY_TRAIN) == 0


def test_weights_that_do_not_say_what_they_are_of(tmp_path, capsys):
    """Of a detector, as far as the names of its parts tell it."""
    weights = load_checkpoint(ROOT / 'model_zoo/pp-resnet20_digits/derived.safetensors')
    state = {k.replace('head.', 'bbox_head.'): v for k, v in weights['state_dict'].items()}
    torch.save({'state_dict': state}, tmp_path / 'detector.pth')
    options = [*TINY_TRAIN, f'load_from={tmp_path}/detector.pth']
    line = error(capsys, RETRAIN, tmp_path / 'run', options=options)
    assert 'another kind of model' in line and "init_cfg=dict(type='Pretrained'" in line


@pytest.mark.parametrize('change', ["pop('optimizer')", "get('meta')['mmengine_version']"])
def test_hooks_that_look_at_all_of_a_checkpoint(tmp_path, change):
    hook = tmp_path / 'looking_hook.py'
    hook.write_text(
        'from mmengine.hooks import Hook\nfrom mmengine.registry import HOOKS\n\n\n'
        '@HOOKS.register_module(force=True)\nclass LookingHook(Hook):\n'
        f'    def before_save_checkpoint(self, runner, checkpoint):\n        checkpoint.{change}\n'
    )
    text = "custom_imports = dict(imports=['looking_hook'])\n"
    sys.path.insert(0, str(tmp_path))
    try:
        sys.modules.pop('looking_hook', None)
        config = write(tmp_path, text + "custom_hooks = [dict(type='LookingHook')]")
        assert train(config, tmp_path / 'run', options=TINY_TRAIN) == 0
    finally:
        sys.path.remove(str(tmp_path))
    assert (tmp_path / 'run/result.json').is_file()


def test_checkpoints_of_mmengines_own_hook(tmp_path):
    """They hold the log, too, as arrays of numbers."""
    text = "default_hooks = dict(checkpoint=dict(_delete_=True, type='CheckpointHook', interval=1))"
    config = write(tmp_path, text)
    assert train(config, tmp_path / 'run', options=TINY_TRAIN) == 0
    more = [*SMALL, 'train_cfg.max_epochs=2']
    assert train(config, tmp_path / 'run', '--resume', options=more) == 0
    assert load_checkpoint(tmp_path / 'run/epoch_2.pth')['meta']['epoch'] == 2


def test_a_genotype_that_a_run_reads_is_not_put_aside(tmp_path, capsys):
    run = tmp_path / 'run'
    write_atomic(
        run / 'genotype.json', (ROOT / 'ppnas_mm/genotypes/pp_resnet_cifar10.json').read_bytes()
    )
    options = [*TINY_TRAIN, f'model.backbone.arch={run}/genotype.json']
    assert 'genotype.json is in the work dir' in error(capsys, RETRAIN, run, options=options)
    assert (run / 'genotype.json').is_file()


def test_a_training_config_is_no_search(tmp_path, capsys):
    assert call('search.py', RETRAIN, '--work-dir', tmp_path) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "model.type='ImageClassifier'" in line and 'tools/train.py' in line
    assert call('search.py', RETRAIN, '--seeds', '0,1', '--work-dir', tmp_path) == 2
    assert not list(tmp_path.glob('*.pth'))


def test_a_search_without_its_hook_gets_it(tmp_path):
    config = write(tmp_path, 'default_hooks = dict(search=None)', DIGITS)
    options = [*TINY, 'train_cfg.max_epochs=1', 'model.threshold=0.01']
    assert call('search.py', config, '--work-dir', tmp_path, '--cfg-options', *options) == 0
    assert (tmp_path / 'derived.safetensors').is_file()


OTHER_SPACE = str(ROOT / 'configs/classification/cdarts-net_digits.py')


@pytest.mark.parametrize('retrain', ['nowhere.py', DIGITS, OTHER_SPACE])
def test_the_retraining_is_read_before_the_search(tmp_path, capsys, retrain):
    assert call('search.py', DIGITS, '--work-dir', tmp_path, '--retrain', retrain) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert retrain in line and not list(tmp_path.glob('*.pth'))


def test_a_search_that_finds_nothing_says_what_to_do(tmp_path, capsys):
    options = [*TINY, 'train_cfg.max_epochs=1', 'optim_wrapper.arch.optimizer.lr=0.001']
    assert call('search.py', DIGITS, '--work-dir', tmp_path, '--cfg-options', *options) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    for words in ('more epochs', 'optim_wrapper.arch.optimizer.lr', 'model.threshold=0.5'):
        assert words in line
    assert json.loads((tmp_path / 'search.json').read_text())['result']['failed'] in line
