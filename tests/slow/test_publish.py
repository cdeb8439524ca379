"""From a checkpoint to the model zoo: what is written is what was tested."""

import copy
import hashlib
import json
import re
from types import SimpleNamespace

import pytest
import torch
import yaml
from hub_server import hub_server
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from safetensors import safe_open
from tool import RETRAIN, call

import ppnas_mm
from ppnas_mm.config.load import load_config
from ppnas_mm.genotype import Genotype
from ppnas_mm.registry import MODELS
from ppnas_mm.weights.checkpoint import CheckpointError
from ppnas_mm.weights.index import load_index
from ppnas_mm.zoo.publish import chosen_state

CONFIG = """
_base_ = '{base}'
model = dict(
    backbone=dict(base_channels=8, stem_channels=8, arch={arch!r}), head=dict(in_channels=128))
test_dataloader = dict(dataset=dict(indices=40))
"""


class Site:
    """A checkout with one config and a checkpoint of its network."""

    def __init__(self, folder, arch='pp_resnet_cifar10'):
        self.config = folder / 'configs/tiny.py'
        self.zoo = folder / 'model_zoo'
        self.checkpoint = folder / 'epoch_3.pth'
        self.work = folder / 'work'
        self.config.parent.mkdir()
        self.config.write_text(CONFIG.format(base=RETRAIN, arch=arch))
        config = load_config(self.config)
        torch.manual_seed(0)
        model = MODELS.build({**config.model, 'type': f'mmpretrain.{config.model.type}'})
        model.init_weights()
        self.state = model.state_dict()
        self.save(optimizer={'state': {0: torch.zeros(1000, 1000)}}, message_hub={})

    def save(self, **more):
        torch.save({'meta': {'epoch': 3}, 'state_dict': self.state, **more}, self.checkpoint)

    def publish(self, *more):
        given = ['--name', 'tiny.digits', '--config', self.config, '--work-dir', self.work]
        out = ['--out', self.zoo / 'tiny']
        return call('publish.py', self.checkpoint, *given, *out, *more)

    @property
    def file(self):
        return self.zoo / 'tiny/tiny.digits.safetensors'


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def tensors(path):
    with safe_open(path, 'pt') as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def test_file_and_entry(site, capsys):
    assert site.publish('--source', 'a test') == 0
    found = tensors(site.file)
    assert found.keys() == site.state.keys()
    assert all(torch.equal(found[k], v) for k, v in site.state.items())
    with safe_open(site.file, 'pt') as file:
        genotype = Genotype.from_json(file.metadata()['genotype'])
    assert genotype == Genotype.load('pp_resnet_cifar10')
    (entry,) = load_index(site.zoo / 'index.json').values()
    content = site.file.read_bytes()
    assert entry.size == len(content) and entry.sha256 == hashlib.sha256(content).hexdigest()
    assert entry.config == 'configs/tiny.py' and entry.genotype == 'pp_resnet_cifar10'
    assert entry.urls == ('tiny/tiny.digits.safetensors',)
    assert entry.input_size == (3, 16, 16) and entry.classes == tuple('0123456789')
    assert entry.normalisation == {'mean': (127.5,) * 3, 'std': (127.5,) * 3}
    assert entry.source == 'a test' and entry.licence == 'Apache-2.0'
    capsys.readouterr()
    assert call('test.py', site.config, site.file, '--work-dir', site.work) == 0
    score = float(re.findall(r'accuracy/top1: ([\d.]+)', capsys.readouterr().out)[-1])
    assert entry.metric['value'] == score
    assert entry.metric['name'] == 'Top 1 Accuracy'
    assert entry.metric['dataset'] == 'Digits (40 test images)'


def test_an_architecture_of_ones_own_is_written_beside(tmp_path):
    arch = Genotype.load('pp_resnet_cifar10').to_dict()
    arch['cells'][0]['nodes'][1][0]['sources'] = [1, 2, 3]
    (tmp_path / 'mine.json').write_text(json.dumps(arch))
    site = Site(tmp_path, str(tmp_path / 'mine.json'))
    assert site.publish('--source', 'a test') == 0
    (entry,) = load_index(site.zoo / 'index.json').values()
    assert entry.genotype == 'tiny/tiny.digits.json'
    assert Genotype.load(site.zoo / entry.genotype).hash == entry.genotype_hash
    assert entry.genotype_hash == Genotype.load(arch).hash


def test_no_test_no_entry(site):
    assert site.publish('--no-test') == 0
    assert site.file.is_file() and not (site.zoo / 'index.json').exists()


def test_a_taken_name_needs_replace(site, capsys):
    assert site.publish('--source', 'first') == 0
    before = site.file.read_bytes(), (site.zoo / 'index.json').read_bytes()
    assert site.publish('--source', 'second') == 2
    assert 'tiny.digits exists' in capsys.readouterr().err
    assert (site.file.read_bytes(), (site.zoo / 'index.json').read_bytes()) == before
    site.state['head.fc.bias'] += 1
    site.save()
    assert site.publish('--source', 'second', '--replace') == 0
    (entry,) = load_index(site.zoo / 'index.json').values()
    assert entry.source == 'second' and site.file.read_bytes() != before[0]


@pytest.mark.parametrize(
    ('more', 'words'),
    [
        (['--source', 'x\ty'], 'source: expected a line of text'),
        (['--source', 'x', '--metric', 'acuracy'], "--metric: expected one of ['accuracy/top1']"),
        (['--source', 'x', '--ema'], 'epoch_3.pth: --ema: it has no averaged weights'),
        (['--source', 'x', '--config', RETRAIN], 'expected a path inside'),
        (['--source', 'x', '--name', '../evil'], 'expected arch.tag'),
        ([], '--source is missing'),
        (['--source', 'x', '--cfg-options', 'model.head.in_channels=1'], 'put it into a config'),
    ],
)
def test_nothing_is_left_of_a_failure(site, capsys, more, words):
    assert site.publish(*more) == 2
    assert words in capsys.readouterr().err
    assert not list(site.zoo.rglob('*.*'))


def test_a_checkpoint_that_does_not_fit(site, capsys):
    del site.state['head.fc.bias']
    site.save()
    assert site.publish('--source', 'x') == 2
    assert 'head.fc.bias is missing' in capsys.readouterr().err
    assert not site.zoo.exists()


def test_averages_and_the_others_after_mmengines_exchange():
    """By EMAHook itself, on a layer; the average is written out by hand."""
    layer = torch.nn.Linear(2, 1)
    hook = EMAHook(momentum=0.25)
    hook.src_model, hook.ema_model = layer, ExponentialMovingAverage(layer, momentum=0.25)
    average = None
    for step in range(3):
        torch.nn.init.constant_(layer.weight, step + 1.0)
        hook.ema_model.update_parameters(layer)
        average = step + 1.0 if average is None else 0.75 * average + 0.25 * (step + 1.0)
    checkpoint = {'state_dict': copy.deepcopy(layer.state_dict())}
    hook.before_save_checkpoint(SimpleNamespace(), checkpoint)
    assert average == 1.6875
    for ema, value in ((True, average), (False, 3.0)):
        state = chosen_state(checkpoint, ema, 'a file')
        assert state.keys() == layer.state_dict().keys()
        torch.testing.assert_close(state['weight'], torch.full((1, 2), value))
    with pytest.raises(CheckpointError, match='a file: --ema'):
        chosen_state({'state_dict': {}}, True, 'a file')


def test_the_tool_publishes_the_averages(site):
    other = {k: v + 1 if v.is_floating_point() else v for k, v in site.state.items()}
    site.save(
        ema_state_dict={'steps': torch.tensor(3), **{f'module.{k}': v for k, v in other.items()}}
    )
    for more, expected in ((['--ema'], site.state), (['--replace'], other)):
        assert site.publish('--no-test', *more) == 0
        found = tensors(site.file)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[k], v) for k, v in expected.items())


def test_a_model_card_states_what_was_measured(site):
    assert site.publish('--source', 'a test') == 0
    text = (site.zoo / 'tiny/README.md').read_text()
    head = yaml.safe_load(text.split('---')[1])
    (entry,) = load_index(site.zoo / 'index.json').values()
    assert head['license'] == 'apache-2.0' and head['library_name'] == 'ppnas_mm'
    (model,) = head['model-index']
    (result,) = model['results']
    assert model['name'] == 'tiny.digits' and result['dataset']['name'] == entry.metric['dataset']
    assert result['metrics'][0]['value'] == entry.metric['value']
    for words in (entry.sha256, entry.genotype_hash, 'a test', "zoo.load('tiny.digits')"):
        assert words in text


@pytest.fixture
def server(monkeypatch, tmp_path):
    pytest.importorskip('huggingface_hub', reason="pip install 'ppnas_mm[hub]'")
    for key, value in {'NO_PROXY': '127.0.0.1', 'HF_TOKEN': 'a-token'}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv('PPNAS_CACHE', str(tmp_path / 'cache'))
    # the storage of the hub's own protocol is closed; git-lfs is the other way
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_DISABLE_XET', True)
    with hub_server() as server:
        monkeypatch.setenv('HF_ENDPOINT', server.url)
        yield server


def test_push_and_load(site, server, capsys, monkeypatch):
    assert site.publish('--source', 'a test', '--push', 'someone/tiny') == 0
    assert 'pushed: hf://someone/tiny' in capsys.readouterr().out
    files = server.files('someone/tiny')
    assert len(server.commits['someone/tiny']) == 1
    assert set(files) == {'README.md', 'model.safetensors', 'entry.json', 'genotype.json'}
    assert files['model.safetensors'] == site.file.read_bytes()
    card = files['README.md'].decode()
    assert yaml.safe_load(card.split('---')[1])['model-index'][0]['name'] == 'tiny.digits'
    assert "zoo.load('hf://someone/tiny')" in card and 'hf://someone/tiny' in card
    model = ppnas_mm.zoo.load('hf://someone/tiny', index=site.zoo / 'index.json')
    state = model.state_dict()
    assert all(torch.equal(state[key], value) for key, value in site.state.items())
    # again: a new commit of the same repository
    assert site.publish('--source', 'more', '--push', 'someone/tiny', '--replace') == 0
    assert len(server.commits['someone/tiny']) == 2


def test_a_push_that_fails_keeps_what_is_written(site, server, capsys):
    server.refuse = 'POST /api/models/someone/tiny/commit'
    assert site.publish('--source', 'a test', '--push', 'someone/tiny') == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert '--push someone/tiny' in error and '403' in error
    assert site.file.is_file() and load_index(site.zoo / 'index.json')
    assert server.commits['someone/tiny'] == []


def test_a_push_that_cannot_be_writes_nothing(site, server, capsys):
    assert site.publish('--source', 'a test', '--push', 'tiny') == 2
    assert 'expected USER/NAME' in capsys.readouterr().err
    assert site.publish('--no-test', '--push', 'someone/tiny') == 2
    assert 'not with --no-test' in capsys.readouterr().err
    assert not site.file.exists() and not server.log
