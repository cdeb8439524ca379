"""mmpretrain's own functions with the models and weights of this project."""

import re
import shutil
from pathlib import Path
from typing import Any

import mmpretrain
import pytest
import torch
from entries import ENTRIES, NAMES
from fresh import run
from mmengine.config import Config
from mmpretrain.apis import ModelHub
from safetensors.torch import save_file
from tool import ROOT

import ppnas_mm
from ppnas_mm.genotype import GenotypeError
from ppnas_mm.weights.checkpoint import CheckpointError, load_checkpoint

CONFIGS = ROOT / 'configs/classification'
DIGITS = CONFIGS / 'pp-resnet20_digits.py'
FILE = ROOT / 'model_zoo/pp-resnet20_digits/derived.safetensors'
NAME = 'pp_resnet20.digits'


def same(model: Any, name: str = NAME) -> bool:
    """Whether a model has the weights and the architecture of the zoo's."""
    expected = ppnas_mm.zoo.load(name).state_dict()
    own = model.state_dict()
    return own.keys() == expected.keys() and all(torch.equal(own[k], expected[k]) for k in own)


@pytest.mark.parametrize('name', NAMES)
def test_a_name_gives_the_whole_model(name: str) -> None:
    model = mmpretrain.get_model(name, pretrained=True)
    assert same(model, name) and not model.training
    assert model._dataset_meta['classes'] == tuple(ENTRIES[name]['classes'])
    assert model.backbone.genotype.hash == ENTRIES[name]['genotype_hash']
    untrained = mmpretrain.get_model(name)
    assert untrained.backbone.genotype.hash == ENTRIES[name]['genotype_hash']
    assert not same(untrained, name)


def test_models_are_listed() -> None:
    listed = mmpretrain.list_models('*pp*resnet*')
    assert {NAME, 'pp_resnet20.cifar10-20k', 'pp-resnet50_8xb128_in1k'} <= set(listed)
    everything = mmpretrain.ImageClassificationInferencer.list_models()
    assert set(NAMES) <= set(everything) and 'resnet18_8xb32_in1k' in everything
    assert not mmpretrain.list_models('gflv2_pp*')  # mmpretrain builds classifiers only
    for name in mmpretrain.list_models('*pp*resnet*'):
        assert ModelHub.get(name).config.model.type == 'ImageClassifier'


@pytest.mark.parametrize('weights', [f'ppnas://{NAME}', str(FILE)])
@pytest.mark.parametrize('given', ['path', 'Path', 'Config'])
def test_a_config_takes_the_architecture_of_the_weights(weights: str, given: str) -> None:
    config: Any = Config.fromfile(str(DIGITS))
    assert ppnas_mm.Genotype.load(config.model.backbone.arch).hash != ENTRIES[NAME]['genotype_hash']
    source = {'path': str(DIGITS), 'Path': DIGITS, 'Config': config}[given]
    assert same(mmpretrain.get_model(source, pretrained=weights))
    assert config.model.backbone.arch == 'pp_resnet_cifar10'  # the caller's is as before
    inferencer = mmpretrain.ImageClassificationInferencer(str(DIGITS), weights, device='cpu')
    assert same(inferencer.model) and inferencer.classes == tuple('0123456789')


def test_load_from_of_a_config_counts_as_its_weights() -> None:
    config: Any = Config.fromfile(str(DIGITS))
    config.load_from = f'ppnas://{NAME}'
    assert same(mmpretrain.get_model(config, pretrained=True))
    assert not same(mmpretrain.get_model(config))


def test_arguments_of_get_model_reach_the_model() -> None:
    model = mmpretrain.get_model(NAME, True, 'cpu', backbone=dict(out_indices=(1, 2)), neck=None)
    assert [f.shape[1] for f in model.extract_feat(torch.zeros(1, 3, 16, 16))] == [128, 256]


def test_a_head_of_the_callers_own_starts_anew() -> None:
    """What the caller builds otherwise is not of the weights; all the rest is."""
    whole = ppnas_mm.zoo.load('pp_resnet20.digits')
    own = mmpretrain.get_model(str(DIGITS), 'ppnas://pp_resnet20.digits', head=dict(num_classes=5))
    assert own.head.fc.weight.shape == (5, 256)
    for name, value in whole.backbone.state_dict().items():
        assert torch.equal(own.backbone.state_dict()[name], value), name
    bare = mmpretrain.get_model('pp_resnet20.digits', pretrained=True, head=None, neck=None)
    assert bare.head is None
    first = [next(net.backbone.parameters()) for net in (bare, whole)]
    assert torch.equal(*first)


@pytest.mark.parametrize(
    ('config', 'options', 'error', 'message'),
    [
        ('pp-resnet20_digits', dict(backbone=dict(base_channels=8)), CheckpointError, 'fit'),
        ('pp-resnet20_digits', dict(backbone=dict(arch='pp_resnet_cifar10')), CheckpointError,
         'another genotype'),
        ('pp-resnet110_cifar10', {}, CheckpointError, 'tensors'),
        ('cdarts-net_digits', {}, GenotypeError, 'darts'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(config: str, options: dict, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        mmpretrain.get_model(CONFIGS / f'{config}.py', pretrained=f'ppnas://{NAME}', **options)


def test_a_checkpoint_of_training_is_loaded_whole_or_refused(tmp_path: Path) -> None:
    model = mmpretrain.get_model(DIGITS)
    state = model.state_dict()
    meta = {'ppnas_mm': {'genotype': model.backbone.genotype.hash}}
    meta['dataset_meta'] = {'classes': list('abcdefghij')}
    torch.save({'state_dict': state, 'meta': meta}, tmp_path / 'epoch_1.pth')
    found = mmpretrain.get_model(DIGITS, pretrained=str(tmp_path / 'epoch_1.pth'))
    assert all(torch.equal(found.state_dict()[k], v) for k, v in state.items())
    assert found._dataset_meta['classes'] == tuple('abcdefghij')
    state.popitem()
    torch.save({'state_dict': state, 'meta': {}}, tmp_path / 'part.pth')
    with pytest.raises(CheckpointError, match=r'part\.pth does not fit .*missing'):
        mmpretrain.get_model(DIGITS, pretrained=str(tmp_path / 'part.pth'))


def test_mmengines_loader_refuses_another_architecture_too(tmp_path: Path) -> None:
    """What an inferencer loads into a model that is built already."""
    model = ppnas_mm.zoo.load(NAME)
    with pytest.raises(CheckpointError, match='another genotype'):
        mmpretrain.ImageClassificationInferencer(model, 'ppnas://pp_resnet20.cifar10-20k')
    mmpretrain.ImageClassificationInferencer(model, f'ppnas://{NAME}')
    narrow = mmpretrain.get_model(NAME, backbone=dict(base_channels=8))
    with pytest.raises(CheckpointError, match='do not fit the backbone'):
        mmpretrain.ImageClassificationInferencer(narrow, f'ppnas://{NAME}')


def test_the_metadata_of_weights_changes_nothing_else(tmp_path: Path) -> None:
    data = load_checkpoint(FILE)
    copy = tmp_path / 'copy.safetensors'
    save_file(data['state_dict'], copy, metadata=data['meta'])
    again = load_checkpoint(copy)
    assert again['state_dict'].keys() == data['state_dict'].keys()
    save_file(data['state_dict'], copy)  # without a genotype: any backbone of these tensors
    assert same(mmpretrain.get_model(NAME, pretrained=str(copy)))


def test_models_of_mmpretrain_are_as_before() -> None:
    model = mmpretrain.get_model('resnet18_8xb32_in1k', head=dict(num_classes=7))
    assert type(model.backbone).__module__ == 'mmpretrain.models.backbones.resnet'
    assert model.head.num_classes == 7 and model._metainfo.name == 'resnet18_8xb32_in1k'
    with pytest.raises(ValueError, match='no_such_model'):
        mmpretrain.get_model('no_such_model')
    with pytest.raises((TypeError, UnboundLocalError)):
        mmpretrain.get_model(3)


def test_the_snippet_of_the_how_to_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    page = (ROOT / 'docs/how_to/use_pretrained_weights.md').read_text()
    blocks = re.findall(r'```python\n(.*?)```', page, re.S)
    code = next(block for block in blocks if 'ImageClassificationInferencer' in block)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "'pred_class': '7'" in capsys.readouterr().out
    assert list((tmp_path / 'pictures').glob('*.png'))


USE = f"""
model = get_model({NAME!r}, pretrained=True)
assert model.backbone.genotype.hash == {ENTRIES[NAME]['genotype_hash']!r}
assert torch.equal(model(torch.ones(1, 3, 16, 16)), zoo.load({NAME!r})(torch.ones(1, 3, 16, 16)))
assert {NAME!r} in list_models('*digits')
other = get_model(CONFIG, pretrained='ppnas://{NAME}')
assert torch.equal(model(torch.ones(1, 3, 16, 16)), other(torch.ones(1, 3, 16, 16)))
"""


def test_mmpretrain_may_be_imported_first() -> None:
    names = 'from mmpretrain import get_model, list_models'
    run(f'{names}\nimport torch\nfrom ppnas_mm import zoo\nCONFIG = {str(DIGITS)!r}{USE}')


def test_an_installed_package_has_them_too(tmp_path: Path) -> None:
    """Laid out as a wheel installs it, with no clone around."""
    package = tmp_path / 'site' / 'ppnas_mm'
    leave = shutil.ignore_patterns('.mim', '__pycache__')
    shutil.copytree(ROOT / 'ppnas_mm', package, ignore=leave)
    for name in ('configs', 'model_zoo'):
        shutil.copytree(ROOT / name, package / '.mim' / name, ignore=leave)
    shutil.copy2(ROOT / 'model-index.yml', package / '.mim')
    config = package / '.mim/configs/classification/pp-resnet20_digits.py'
    code = (
        'import torch, ppnas_mm\nfrom ppnas_mm import zoo\n'
        f'assert ppnas_mm.__file__.startswith({str(tmp_path)!r})\n'
        f'from mmpretrain import get_model, list_models\nCONFIG = {str(config)!r}{USE}'
    )
    run(code, tmp_path / 'site')
