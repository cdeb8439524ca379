"""Configs as users of OpenMMLab write them are taken; misspelt keys are still found."""

import random
from collections import Counter
from pathlib import Path

import pytest
from mmengine.config import Config
from shipped import LIBRARIES, refused, shipped

from ppnas_mm.config.keys import KEYS, ConfigError, near_miss
from ppnas_mm.config.load import library, load_config

ROOT = Path(__file__).parents[2]


OWN = sorted(p for p in (ROOT / 'configs').rglob('*.py') if '_base_' not in p.parts)


BASE = "model = dict(type='X')\n"


@pytest.mark.parametrize('name', LIBRARIES)
def test_configs_that_the_libraries_ship(name):
    paths = shipped(name)
    assert len(paths) > 700
    assert refused(random.Random(0).sample(paths, 60)) == {}  # all of them: tests/slow


def write(folder: Path, text: str) -> Path:
    path = folder / 'mine.py'
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    'text',
    [
        'train_pipeline = [dict(type="A")]\ntrain_dataloader = dict(dataset=train_pipeline)',
        'test_pipeline = [dict(type="A")]\nval_pipeline = test_pipeline\npipeline = []',
        'model_cfg = dict(a=1)\nmodels = [1]\nbase_model = dict()',
        'val_evaluator_coco = dict(type="A")\nval_evaluator2 = dict(type="B")\n',
        'train_loader = dict(batch_size=2)\ntrain_dataloader = train_loader',
        'evaluator = dict(type="A")\nval_evaluator = evaluator\ntest_evaluator = evaluator',
        'custom_keys = dict(a=1)\ncustom_hook = dict(type="A")\ncustom_hooks = [custom_hook]',
        'resume_from = None\nnum_classes = 3\nclasses = ("a", "b")\nmeta = dict(classes=classes)',
        'optimizer = dict(type="SGD")\noptim_wrapper = dict(optimizer=optimizer)',
        'default_hooks = dict(mine=dict(type="MyHook"), visualization=None, search=None)',
        'experiment = "run1"\nwork_dir = f"work_dirs/{experiment}"',
        'work_dirs = "/d"\nload_from = work_dirs + "/a.pth"',
        'launch = 1\nrandom_seed = 3\nenv = "a"\nlog = dict(a=1)\nvisual = [1]',
    ],
)
def test_names_that_a_user_chose(tmp_path, text):
    assert load_config(write(tmp_path, BASE + text)).model == dict(type='X')


MISSPELT = {
    'optim_warpper = dict(type="OptimWrapper")': 'optim_wrapper',
    'optimizer_wrapper = dict(type="OptimWrapper")': 'optim_wrapper',
    'optim_wraper = dict()': 'optim_wrapper',
    'train_dataloder = dict(batch_size=1)': 'train_dataloader',
    'train_loader = dict(batch_size=1)': 'train_dataloader',
    'val_datalaoder = dict(batch_size=1)': 'val_dataloader',
    'test_data_loader = dict(batch_size=1)': 'test_dataloader',
    'val_evalutor = dict(type="A")': 'val_evaluator',
    'test_evaluators = [dict(type="A")]': 'test_evaluator',
    'train_config = dict(max_epochs=1)': 'train_cfg',
    'train_cgf = dict(max_epochs=1)': 'train_cfg',
    'trian_cfg = dict(max_epochs=1)': 'train_cfg',
    'vla_cfg = dict()': 'val_cfg',
    'param_schedulers = [dict(type="A")]': 'param_scheduler',
    'param_schedular = dict(type="A")': 'param_scheduler',
    'defualt_hooks = dict(a=1)': 'default_hooks',
    'default_hook = dict(a=1)': 'default_hooks',
    'custom_hook = [dict(type="A")]': 'custom_hooks',
    'costum_hooks = [dict(type="A")]': 'custom_hooks',
    'custom_import = dict(imports=["a"])': 'custom_imports',
    'data_preproccessor = dict(mean=[0])': 'data_preprocessor',
    'load_form = "a.pth"': 'load_from',
    'resmue = True': 'resume',
    'default_scop = "mmdet"': 'default_scope',
    'env_config = dict(a=1)': 'env_cfg',
    'visualiser = dict(type="A")': 'visualizer',
    'randomnes = dict(seed=1)': 'randomness',
    'log_proccessor = dict(window_size=1)': 'log_processor',
    'auto_scale_Lr = dict(enable=True)': 'auto_scale_lr',
    'tta_pipline = [dict(type="A")]': 'tta_pipeline',
    'find_unused_paramters = True': 'find_unused_parameters',
    'default_hooks = dict(checkpiont=dict(interval=2))': 'checkpoint',
    'default_hooks = dict(loger=dict(type="LoggerHook"))': 'logger',
    'default_hooks = dict(serach=dict(type="A"))': 'search',
}


@pytest.mark.parametrize(('text', 'meant'), MISSPELT.items())
def test_misspelt_keys_are_refused(tmp_path, text, meant):
    with pytest.raises(ConfigError, match=rf'mine\.py: .*did you mean {meant!r}'):
        load_config(write(tmp_path, BASE + text))


@pytest.mark.parametrize(('text', 'meant'), MISSPELT.items())
def test_misspelt_keys_beside_the_right_one_are_told(tmp_path, monkeypatch, text, meant):
    """The base has the key, so the other one may be a helper: the run goes on, with a warning."""
    if 'default_hooks = dict(' in text:
        kept = text.replace('dict(', f'dict({meant}=dict(type="A"), ', 1)
        if 'type' not in text:
            kept = kept.replace('interval', 'type="B", interval')
    else:
        kept = f'{text}\n{meant} = {[] if meant == "custom_hooks" else dict(imports=[])}'
    remarks: list[str] = []
    monkeypatch.setattr('ppnas_mm.config.load.warn', remarks.append)
    load_config(write(tmp_path, BASE + kept))
    word = text.split(' =')[0] if 'default_hooks = dict(' not in text else meant
    (remark,) = remarks
    assert repr(word) in remark and 'misspelt' in remark


@pytest.mark.parametrize(
    ('option', 'meant'),
    [
        ('modle.backbone.depth', 'model'),
        ('optim_wraper.a', 'optim_wrapper'),
        ('train_pipelines.0.a', 'train_pipeline'),
        ('model.backbon.depth', 'backbone'),
        ('model.backbone.init_cgf.type', 'init_cfg'),
        ('nothing_like_it', 'no run reads'),
        ('train_list.7.a', 'train_list.7'),
        ('train_list.7', 'a list of 1'),
        ('train_pipeline.-1.a', 'train_pipeline'),
        ('custom_hooks.0.momentum', 'custom_hooks'),
        ('model.0.a', "'model' is not a list"),
        ('model.0', "'model' is not a list"),
        ('custom_hooks', 'expected a list'),
    ],
)
def test_misspelt_overrides_are_refused(tmp_path, option, meant):
    path = write(
        tmp_path,
        'model = dict(backbone=dict(init_cfg=None))\ntrain_pipeline = [dict()]\n'
        'train_dataloader = dict(dataset=train_pipeline)\ntrain_list = [dict()]',
    )
    with pytest.raises(ConfigError, match=meant):
        load_config(path, {option: 1})


def test_overrides_that_add_entries(tmp_path):
    path = write(tmp_path, 'model = dict(backbone=dict(init_cfg=None))\nwidth = 3')
    options = {
        'model.backbone.init_cfg.type': 'Pretrained',
        'model.neck.type': 'FPN',
        'optim_wrapper.clip_grad.max_norm': 35,
        'default_hooks.mine.type': 'MyHook',
        'width': 5,
    }
    config = load_config(path, options)
    assert config.model.backbone.init_cfg.type == 'Pretrained'
    assert config.model.neck.type == 'FPN' and config.width == 5
    assert config.optim_wrapper.clip_grad.max_norm == 35


def test_pure_python_config(tmp_path):
    path = write(
        tmp_path,
        'from mmengine.optim import OptimWrapper\nfrom torch.optim import SGD\nimport torch\n'
        'from mmpretrain.models import ImageClassifier\n'
        'model = dict(type=ImageClassifier)\n'
        'optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.1))\n',
    )
    config = load_config(path, {'optim_wrapper.optimizer.lr': 0.2})
    assert config.optim_wrapper.optimizer.lr == 0.2
    assert library(config) == 'mmpretrain'


@pytest.mark.parametrize(
    ('model', 'scope', 'name'),
    [
        (dict(type='mmdet.RetinaNet'), 'mmpretrain', 'mmdet'),
        (dict(type='RetinaNet'), 'mmdet', 'mmdet'),
        (dict(type='ppnas_mm.PPNAS', model=dict(type='mmseg.EncoderDecoder')), None, 'mmseg'),
        (dict(type='ppnas_mm.PPNAS', model=dict(type='EncoderDecoder')), 'mmseg', 'mmseg'),
        (dict(type='X'), None, None),
    ],
)
def test_library_of_a_config(model, scope, name):
    config = Config(dict(model=model, default_scope=scope))
    if name:
        assert library(config) == name
    else:
        with pytest.raises(ConfigError, match='default_scope=None'):
            library(config)


def hooks(path: Path) -> Counter:
    return Counter(h['type'].split('.')[-1] for h in load_config(path).default_hooks.values())


def test_every_config_ends_up_with_its_hooks():
    for path in OWN:
        found = hooks(path)
        wanted = {'EpochSeedHook', 'DataCheckHook', 'SafeCheckpointHook', 'LoggerHook'}
        wanted |= {'IterTimerHook', 'ParamSchedulerHook', 'DistSamplerSeedHook'}
        if path.parent.name == 'search':
            wanted.add('SearchHook')
        assert wanted <= set(found) and set(found.values()) == {1}, path
        assert not load_config(path).get('custom_hooks'), path


def test_a_users_hook_joins_and_replaces(tmp_path):
    base = ROOT / 'configs/search/eoinas_digits.py'
    text = f"_base_ = '{base}'\n"
    added = load_config(write(tmp_path, text + "custom_hooks = [dict(type='MyHook')]"))
    assert len(added.default_hooks) == len(load_config(base).default_hooks)
    again = "dict(type='ppnas_mm.SearchHook', recalibrate_batches=2), dict(type='EpochSeedHook')"
    twice = load_config(write(tmp_path, text + f'custom_hooks = [{again}]'))
    assert not {'search', 'epoch_seed'} & set(twice.default_hooks)
    assert 'data_check' in twice.default_hooks
    slot = load_config(
        write(tmp_path, text + 'default_hooks = dict(search=dict(recalibrate_batches=2))')
    )
    assert slot.default_hooks.search == dict(type='ppnas_mm.SearchHook', recalibrate_batches=2)


def test_folders_of_other_data_sets_are_no_classes(tmp_path):
    """Cityscapes has one folder a city."""
    for city in ('aachen', 'bochum', 'bremen'):
        (tmp_path / 'leftImg8bit/train' / city).mkdir(parents=True)
    path = ROOT / 'configs/segmentation/deeplabv3plus_pp-resnet50-d8_cityscapes.py'
    config = load_config(path, {'data_root': str(tmp_path)})
    assert config.model.decode_head.num_classes == 19


def test_near_misses():
    assert near_miss('MODEL', KEYS) == 'model'
    assert near_miss('train_pipeline', KEYS) is None
    assert near_miss('data_root', KEYS) is None
