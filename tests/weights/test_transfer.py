"""A classifier's checkpoint becomes the backbone of a detector or segmentor, tensor by tensor."""

import pickle

import pytest
import torch
from entries import INDEX, NAMES
from mmengine.config import Config
from safetensors.torch import save_file
from tasks import TASKS, classifier
from tool import ROOT
from zoo import NETWORKS, build_super_net

from ppnas_mm.genotype import Genotype
from ppnas_mm.registry import MODELS
from ppnas_mm.weights import checkpoint as weights
from ppnas_mm.weights.checkpoint import PREFIXES, CheckpointError
from ppnas_mm.weights.index import load_genotype, load_index

SMALL = dict(type='ppnas_mm.PPResNetCIFAR', depth=20, stem_channels=8, base_channels=8)


def filled(config, value=0.5):
    """A backbone whose weights all hold one value."""
    net = MODELS.build(config)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.fill_(value)
    return net


def pretrained(config, path, **options):
    """Build the backbone and initialise it from a file."""
    init = dict(type='Pretrained', checkpoint=str(path), **options)
    net = MODELS.build({**config, 'init_cfg': init})
    net.init_weights()
    return net


@pytest.fixture
def log(monkeypatch):
    """The lines that are logged."""
    lines = []
    monkeypatch.setattr(weights, 'print_log', lambda text, logger: lines.append(text))
    return lines


def save(path, state, prefix='', **meta):
    torch.save({'state_dict': {prefix + k: v for k, v in state.items()}, 'meta': meta}, path)
    return path


@pytest.mark.parametrize('name', NETWORKS)
@pytest.mark.parametrize('prefix', PREFIXES)
def test_every_prefix_is_recognised(name, prefix, tmp_path):
    config = {'type': name, **NETWORKS[name]}
    state = filled(config).state_dict()
    state_of_file = {prefix + k: v for k, v in state.items()} | {'head.fc.weight': torch.ones(1)}
    loaded = pretrained(config, save(tmp_path / 'c.pth', state_of_file)).state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in state.items())


@pytest.mark.parametrize('library', TASKS)
def test_a_classifiers_checkpoint_fills_the_backbone_of_every_library(library, tmp_path):
    donor = MODELS.build(classifier(SMALL))
    donor.init_weights()
    path = save(tmp_path / 'epoch_1.pth', donor.state_dict())
    strided = {
        **SMALL,
        'strides': (2, 2, 2),
        'init_cfg': dict(type='Pretrained', checkpoint=str(path)),
    }
    if library == 'mmdet':
        strided['out_indices'] = (1, 2)
    model_config, make_batch = TASKS[library]
    model = MODELS.build(model_config(strided))
    model.init_weights()
    state = model.backbone.state_dict()
    assert len(state) > 100
    assert all(torch.equal(state[k], v) for k, v in donor.backbone.state_dict().items())
    if library != 'mmdet':  # the small detector of the tests has four levels
        model.train()
        losses = model.forward(**model.data_preprocessor(make_batch(2, 32), True), mode='loss')
        assert all(torch.isfinite(v).all() for k, v in losses.items() if 'loss' in k)


def test_the_log_counts(tmp_path, log):
    state = filled(SMALL).state_dict()
    pretrained(SMALL, save(tmp_path / 'c.pth', state))
    assert len(log) == 1 and f'{len(state)}/{len(state)} tensors' in log[0]


def test_what_is_missing_is_listed_unless_partial_is_allowed(tmp_path, log):
    state = filled(SMALL).state_dict()
    gone, shaped = 'stem.0.conv.weight', 'layer1.0.conv1.conv.weight'
    del state[gone]
    state[shaped] = torch.ones(3, 3)
    path = save(tmp_path / 'c.pth', state)
    count = len(state) + 1
    with pytest.raises(CheckpointError, match=f'{count - 2}/{count}') as error:
        pretrained(SMALL, path)
    assert f'{gone} is missing' in str(error.value) and f'{shaped} is (3, 3)' in str(error.value)
    net = pretrained(SMALL, path, allow_partial=True)
    assert f'{count - 2}/{count} tensors' in log[-1] and gone in log[-1] and shaped in log[-1]
    assert not (net.stem[0].conv.weight == 0.5).all()
    assert (net.layer2[0].conv1.conv.weight == 0.5).all()


def test_nothing_in_common_is_an_error_even_if_partial_is_allowed(tmp_path):
    path = save(tmp_path / 'c.pth', {'head.weight': torch.ones(3)})
    with pytest.raises(CheckpointError, match='0/'):
        pretrained(SMALL, path, allow_partial=True)


def test_another_architecture_of_equal_shapes_is_refused(tmp_path):
    """Two genotypes with the same operations have the same tensors; the signature tells them."""
    arch = Genotype.load('pp_resnet_cifar10').to_dict()
    arch['cells'][0]['nodes'][1][0]['sources'] = [1, 2, 3]
    other = Genotype.load(arch)
    state = filled(SMALL).state_dict()
    files = {
        'c.pth': lambda p: save(p, state, ppnas_mm={'genotype': other.hash}),
        'c.safetensors': lambda p: save_file(state, p, {'genotype': other.to_json()}),
    }
    for name, write in files.items():
        write(tmp_path / name)
        with pytest.raises(CheckpointError, match='another genotype'):
            pretrained(SMALL, tmp_path / name)
        pretrained({**SMALL, 'arch': other.to_dict()}, tmp_path / name)


def test_the_initialisation_of_the_rest_is_kept(tmp_path):
    """A list of initialisers with Pretrained last works as in mmengine."""
    path = save(tmp_path / 'c.pth', {'stem.0.conv.weight': torch.full((8, 3, 3, 3), 7.0)})
    init = [
        dict(type='Constant', layer='Conv2d', val=2.0),
        dict(type='Pretrained', checkpoint=str(path), allow_partial=True),
    ]
    net = MODELS.build({**SMALL, 'init_cfg': init})
    net.init_weights()
    assert (net.stem[0].conv.weight == 7).all() and (net.layer1[0].conv1.conv.weight == 2).all()


def test_a_misspelt_option_does_not_pass(tmp_path):
    with pytest.raises(TypeError, match='alow_partial'):
        pretrained(SMALL, save(tmp_path / 'c.pth', filled(SMALL).state_dict()), alow_partial=True)


@pytest.mark.parametrize('name', NAMES)
def test_shipped_backbones_load_whole(name):
    entry = load_index(INDEX)[name]
    config = Config.fromfile(ROOT / entry.config).model.backbone.to_dict()
    config['arch'] = load_genotype(entry, INDEX).to_dict()
    for url in entry.urls:
        net = pretrained(config, INDEX.parent / url)
        assert torch.isfinite(net.eval()(torch.zeros(1, *entry.input_size))[-1]).all()


def test_a_refusal_names_what_the_file_names() -> None:
    text = 'Weights only load failed.\n Unsupported global: GLOBAL posix.system was not allowed\nx'
    assert weights.refusal(pickle.UnpicklingError(text)) == (
        'refused: it names posix.system, but only tensors and plain data are read'
    )
    for text, line in (
        ('a\n\n Unsupported operand 5\nb', 'Unsupported operand 5'),
        ('\n a \nb', 'a'),
    ):
        assert weights.refusal(pickle.UnpicklingError(text)) == f'refused or damaged: {line}'


def test_what_a_super_net_has_pruned_does_not_come_back() -> None:
    net, pruned = (build_super_net('chain') for _ in range(2))
    name, choice = next((n, c) for n, c in pruned.choices.items() if len(c.candidates) > 1)
    pruned.prune(name, len(choice.candidates) - 1)
    data = {'state_dict': net.state_dict()}
    with pytest.raises(CheckpointError, match=r'here does not fit the model: .* has pruned'):
        weights.load_state(pruned, data, 'here')
