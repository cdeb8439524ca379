"""Weights of other code bases compute here what they compute there; nothing is lost in silence."""

import os
import pickle

import foreign
import numpy as np
import pytest
import torch
from foreign import DARTS, PUBLISHED, Proxyless, TimmChain, gene, shake
from foreign_keras import Keras
from safetensors import safe_open
from tasks import classifier
from tool import RETRAIN, TINY_TRAIN, call

from ppnas_mm import Genotype
from ppnas_mm.convert import FORMATS, FormatError, detect, from_format, to_format
from ppnas_mm.registry import MODELS
from ppnas_mm.weights.checkpoint import CheckpointError, load_checkpoint, load_weights

CELLS, WIDTH = 5, 4


def darts_model(arch, imagenet, classes=3):
    """Our classifier of the DARTS space, with its auxiliary tower."""
    variant = 'imagenet' if imagenet else 'cifar'
    backbone = dict(type='ppnas_mm.DARTSNet', arch=arch, variant=variant, num_cells=CELLS)
    backbone |= dict(init_channels=WIDTH, auxiliary=True, out_indices=(3 if imagenet else 2,))
    config = classifier(backbone, classes)
    config['head'] |= dict(
        type='ppnas_mm.AuxiliaryClsHead', aux_channels=16 * WIDTH, variant=variant
    )
    del config['neck']
    return MODELS.build(config).double().eval()


def images(size, seed=1):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(seed)).double()


def converted(model, state, form, **options):
    """Our model with the tensors of a file; all of them must be found."""
    state, report = from_format(model, state, form, **options)
    assert report.matched == report.total and not report.left and not report.aside
    model.load_state_dict(state)
    return model


def close(ours, theirs):
    assert ours.shape == theirs.shape and theirs.abs().max() > 1e-3
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize('number', range(2 * len(PUBLISHED)))
@torch.no_grad()
def test_darts_networks_compute_the_same(number):
    name, family = list(PUBLISHED)[number // 2], ('darts', 'cdarts')[number % 2]
    imagenet = bool((number // 2 + number) % 2)
    theirs = shake(DARTS(family, gene(name), WIDTH, CELLS, 3, imagenet))
    ours = darts_model(name, imagenet)
    assert detect(ours, theirs.state_dict()) == family
    converted(ours, theirs.state_dict(), family)
    x = images(64 if imagenet else 16)
    close(ours(x, mode='tensor'), theirs(x))
    tower = theirs.auxiliary_head if family == 'darts' else theirs.aux_head
    maps = torch.randn(2, 16 * WIDTH, *(2 * [7 if imagenet else 8])).double()
    close(ours.head.auxiliary(maps), tower(maps))
    back = to_format(ours, family)
    assert back.keys() == theirs.state_dict().keys()
    assert all(torch.equal(back[k], v) for k, v in theirs.state_dict().items())


@torch.no_grad()
def test_the_order_of_the_edges_is_read_from_text_or_asked_for():
    arch = Genotype.load('darts_v1').to_dict()
    arch['cells'][0]['nodes'][3][0]['op'] = 'sep_conv_5x5'
    cells = gene('darts_v1')
    cells[0][6] = ('sep_conv_5x5', 0)
    text = f'Genotype(normal={cells[0]}, normal_concat=range(2, 6), reduce={cells[1]})'
    nested = [[c[i : i + 2] for i in range(0, 8, 2)] for c in cells]
    state = shake(theirs := DARTS('darts', cells, WIDTH, CELLS, 3, False)).state_dict()
    model = darts_model(arch, False)
    with pytest.raises(FormatError, match='--edges'):
        from_format(model, state, 'darts')
    x = images(16)
    for edges in (text, f'MINE = {text}', f'Genotype(normal={nested[0]}, reduce={nested[1]})'):
        close(converted(model, state, 'darts', edges=edges)(x, mode='tensor'), theirs(x))
    wrong = converted(model, state, 'darts', edges='ascending')(x, mode='tensor')
    assert (wrong - theirs(x)).abs().max() > 1e-3  # same shapes: only the order tells
    for bad in (
        text.replace('sep_conv_5x5', 'dil_conv_5x5'),
        'Genotype(normal=open("x"), reduce=[])',
        'Genotype(normal=[1], reduce=[])',
        'descending',
    ):
        with pytest.raises(FormatError, match='--edges'):
            from_format(model, state, 'darts', edges=bad)


# (kernel, expansion) of every block of CDARTS-a and -b
CHAINS = {
    'cdarts_a': ['56', '56 56', '56 36 56', '56 56 56 56', '56 56 56'],
    'cdarts_b': ['56 74 54 34', '76 54 74 34', '74 56 54 54 54', '36 56 34 36', '54 74 74 54'],
}


@pytest.mark.parametrize('name', CHAINS)
@torch.no_grad()
def test_chains_of_the_authors_compute_the_same(name):
    blocks = [[(int(w[0]), int(w[1])) for w in stage.split()] for stage in CHAINS[name]]
    backbone = dict(type='ppnas_mm.ChainNet', arch=name, width=1 / 6, last_channels=24)
    channels = [foreign.eighths(c / 6) for c in (16, 24, 40, 80, 96, 192)]
    shapes = zip(channels[1:], (2, 2, 2, 1, 2), blocks, strict=True)
    theirs = shake(TimmChain(channels[0], shapes, 24, 20, 3))
    config = classifier(backbone)
    config['head'] |= dict(
        type='StackedLinearClsHead', mid_channels=[20], act_cfg=dict(type='SiLU')
    )
    ours = MODELS.build(config).double().eval()
    state = theirs.state_dict()
    assert detect(ours, state) == 'chain'
    converted(ours, state, 'chain')
    close(ours(images(64), mode='tensor'), theirs(images(64)))
    back = to_format(ours, 'chain')
    assert back.keys() == state.keys() and all(torch.equal(back[k], v) for k, v in state.items())


@torch.no_grad()
def test_proxylessnas_computes_the_same():
    """A block that is left out keeps its number."""
    stages = ['53 - - -', '73 - - 33', '76 - - 53', '56 - 33 53', '76 76 76 56', '76']
    channels = [foreign.eighths(c / 4) for c in (40, 24, 32, 56, 112, 128, 256, 432)]
    blocks, c = [(channels[0], channels[1], 3, 1, 1)], channels[1]
    for words, out, stride in zip(stages, channels[2:], (2, 2, 2, 1, 2, 1), strict=True):
        for b, word in enumerate(words.split()):
            rest = (*map(int, word.strip('-')), 1 if b else stride)
            blocks.append(None if word == '-' else (c, out, *rest))
            c = out
    theirs = shake(Proxyless(channels[0], blocks, 24, 3))
    backbone = dict(
        type='ppnas_mm.MobileNASNet', arch='proxylessnas_gpu', width=0.25, last_channels=24
    )
    ours = MODELS.build(classifier(backbone)).double().eval()
    assert detect(ours, theirs.state_dict()) == 'proxyless'
    converted(ours, theirs.state_dict(), 'proxyless')
    close(ours(images(64), mode='tensor'), theirs(images(64)))
    assert to_format(ours, 'proxyless').keys() == theirs.state_dict().keys()
    names = to_format(ours, 'chain')  # timm's names, as far as there are parts
    known = {'conv_stem.weight', 'blocks.2.3.conv_pwl.weight', 'blocks.7.0.conv.weight'}
    assert known <= names.keys()


KERAS = {
    'pp_resnet_cifar10': ('14S 2345C 6C 7C', '1S 234C 6C 67C', '24S 135C 6C 7C'),
    'pp_resnet_imagenet': ('24S 13C 6C 67C', '34S 12C 6C 7C', '23S 14C 6C 7C', '12S 34C 6C 347C'),
}


@pytest.fixture(scope='module', params=[*KERAS, 'resnet', 'res2net'])
def keras(request):
    """A Keras network that has run once (it makes its arrays), images, outputs, our model."""
    baseline = request.param not in KERAS
    imagenet = baseline or request.param == 'pp_resnet_imagenet'
    words = [stage.split() for stage in KERAS.get(request.param, ())] or [request.param] * 4
    depths = (3, 4, 6, 3) if imagenet else (2, 2, 2)
    net = Keras(words, depths, 8, 8, imagenet, 3)
    x = images(64 if imagenet else 12)
    y = torch.from_numpy(net(x.permute(0, 2, 3, 1).numpy()))
    name, depth = ('PPResNet', 50) if imagenet else ('PPResNetCIFAR', 20)
    chosen = (
        dict(block=request.param, stride_in='conv3x3') if baseline else dict(arch=request.param)
    )
    kind = dict(type=f'ppnas_mm.{name}', depth=depth, **chosen)
    kind |= dict(stem_channels=8, base_channels=8)
    return net, x, y, kind


@torch.no_grad()
def test_keras_arrays_compute_the_same(keras, tmp_path):
    from ppnas_mm.convert import read_weights

    net, x, y, kind = keras
    extra = {'save_counter/.ATTRIBUTES/VARIABLE_VALUE': np.array(1)}
    extra['fc/kernel/.OPTIMIZER_SLOT/optimizer/momentum/.ATTRIBUTES/VARIABLE_VALUE'] = np.ones(2)
    np.savez(tmp_path / 'k.npz', **{f'model/{k}': v for k, v in net.arrays.items()}, **extra)
    weights = read_weights(tmp_path / 'k.npz')
    assert len(weights.aside) == 2
    model = MODELS.build(classifier(kind)).double().eval()
    assert detect(model, weights.state) == 'keras-npz'
    state, report = from_format(model, weights.state, 'keras-npz')
    assert report.matched == report.total and not report.left and report.prefix == 'model.'
    assert report.counters > 20
    model.load_state_dict(state)
    close(model(x, mode='tensor'), y)
    back = to_format(model, 'keras-npz')
    assert back.keys() == net.arrays.keys()
    assert all(back[k].shape == v.shape for k, v in net.arrays.items())


def test_a_keras_file_fills_a_backbone_alone(keras):
    from ppnas_mm.convert.keras import TO_OURS, rename

    state = {rename(k, TO_OURS): torch.from_numpy(v) for k, v in keras[0].arrays.items()}
    _, report = from_format(MODELS.build(keras[3]), state, 'keras-npz')
    assert report.matched == report.total and report.aside == ['fc.kernel', 'fc.bias']


@pytest.mark.parametrize('block', ['resnet', 'res2net'])
def test_a_baseline_with_its_stride_in_a_pool_is_not_that_of_the_authors(block):
    """The tensors would have the same names and shapes."""
    from ppnas_mm.convert.keras import applies

    for stride_in in ('pool', 'conv3x3'):
        kind = dict(type='ppnas_mm.PPResNet', block=block, stride_in=stride_in)
        model = MODELS.build(kind | dict(stem_channels=8, base_channels=8))
        assert applies(model) == (stride_in == 'conv3x3')
    with pytest.raises(FormatError, match='PPResNet'):
        to_format(MODELS.build(kind | dict(stride_in='pool')), 'keras-npz')


SMALL = ['num_cells=4', 'init_channels=4']
BACKBONE = dict(type='ppnas_mm.DARTSNet', arch='darts_v2', num_cells=4, init_channels=4)


@pytest.fixture
def net():
    return shake(MODELS.build(BACKBONE)).float()


def run(source, target, *options):
    return call('convert.py', source, target, '--arch', 'darts_v2', '--options', *SMALL, *options)


def test_no_foreign_prefix_is_needed_to_be_known(net, tmp_path, capsys):
    tried = ('', 'module.', 'model.backbone.', 'architecture.', 'encoder.')
    for i, prefix in enumerate(tried):
        state = {prefix + k: v for k, v in net.state_dict().items()}
        source = {'model': state | {'other.x': torch.ones(1)}, 'epoch': 3} if prefix else state
        torch.save(source, tmp_path / 'a.pt')
        assert run(tmp_path / 'a.pt', tmp_path / f'{i}.safetensors') == 0
        out = capsys.readouterr().out
        total = sum(not k.endswith('num_batches_tracked') for k in state)
        assert f'{total}/{total} tensors, format ppnas, prefix {prefix!r}' in out
        assert ('left aside (2): other.x, epoch' in out) == bool(prefix)
        fresh = MODELS.build(BACKBONE)
        assert load_weights(fresh, tmp_path / f'{i}.safetensors') == len(state)
        assert all(torch.equal(v, net.state_dict()[k]) for k, v in fresh.state_dict().items())
        with safe_open(tmp_path / f'{i}.safetensors', 'pt') as file:
            assert Genotype.from_json(file.metadata()['genotype']) == net.genotype


def test_two_networks_in_one_file_need_a_choice(net, tmp_path, capsys):
    own = net.state_dict()
    state = {f'{p}.{k}': v * (p == 'ema') for p in ('net', 'ema') for k, v in own.items()}
    torch.save(state, tmp_path / 'a.pth')
    assert run(tmp_path / 'a.pth', tmp_path / 'b.pth') == 2
    assert "one of ['net.', 'ema.']" in capsys.readouterr().err
    assert run(tmp_path / 'a.pth', tmp_path / 'b.pth', '--prefix', 'ema.') == 0
    result = load_checkpoint(tmp_path / 'b.pth')['state_dict']
    assert all(torch.equal(result[k], v) for k, v in net.state_dict().items())


@pytest.mark.parametrize('form', ['darts', 'cdarts', 'state-dict', 'pth'])
def test_there_and_back_is_nothing_lost(net, form, tmp_path):
    torch.save(net.state_dict(), tmp_path / 'a.pt')
    assert run(tmp_path / 'a.pt', tmp_path / 'b.pt', '--to', form, '--compare') == 0
    assert run(tmp_path / 'b.pt', tmp_path / 'c.pt', '--to', 'state-dict') == 0
    result = load_checkpoint(tmp_path / 'c.pt')['state_dict']
    assert result.keys() == net.state_dict().keys()
    assert all(torch.equal(result[k], v) for k, v in net.state_dict().items())


def test_less_than_all_is_an_error_unless_partial_is_allowed(net, tmp_path, capsys):
    state = to_format(net, 'darts')
    total = sum(not k.endswith('num_batches_tracked') for k in state)
    del state['stem.0.weight']
    state['cells.0.preprocess0.op.1.weight'] = torch.ones(2)
    state |= {'cells.0.unknown.weight': torch.ones(1), 'classifier.weight': torch.ones(1)}
    torch.save(state, tmp_path / 'a.pt')
    assert run(tmp_path / 'a.pt', tmp_path / 'b.pth') == 2
    assert not (tmp_path / 'b.pth').exists()
    out, err = capsys.readouterr()
    assert f'{total - 2}/{total} tensors' in out and f'{total - 2}/{total}' in err
    assert 'missing (2): stem.0.conv.weight (stem.0.weight), layer1.0.preprocess0' in out
    assert 'left over (1): cells.0.unknown.weight' in out
    assert 'left aside (1): classifier.weight' in out
    assert run(tmp_path / 'a.pt', tmp_path / 'b.pth', '--allow-partial') == 0
    result = load_checkpoint(tmp_path / 'b.pth')['state_dict']
    kept = result['layer1.0.preprocess1.conv.weight']
    assert torch.equal(kept, state['cells.0.preprocess1.op.1.weight'])
    torch.save({'x.weight': torch.ones(1)}, tmp_path / 'a.pt')
    assert run(tmp_path / 'a.pt', tmp_path / 'c.pth', '--allow-partial') == 2
    assert not (tmp_path / 'c.pth').exists()


def test_counters_of_norms_may_lack(net, tmp_path, capsys):
    """Files of before torch 0.4.1 have none."""
    state = to_format(net, 'darts')
    torch.save({k: v for k, v in state.items() if 'num_batches' not in k}, tmp_path / 'a.pt')
    assert run(tmp_path / 'a.pt', tmp_path / 'b.pth') == 0
    assert 'counters of norms are not in the file' in capsys.readouterr().out


def test_a_checkpoint_of_a_run_becomes_whole_model_or_backbone(tmp_path, capsys):
    """With optimizer and metadata; converted by the config it was trained with."""
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    config = Config.fromfile(RETRAIN)
    options = [o for o in TINY_TRAIN if o.startswith('model.')]
    config.merge_from_dict({k: int(v) for k, v in (o.split('=') for o in options)})
    init_default_scope('mmpretrain')
    model = MODELS.build(config.model)
    saved = {'state_dict': model.state_dict(), 'optimizer': {'lr': 0.1}, 'meta': {'epoch': 1}}
    torch.save(saved, tmp_path / 'epoch_1.pth')
    common = (tmp_path / 'epoch_1.pth', tmp_path / 'm.safetensors', '--config', RETRAIN)
    assert call('convert.py', *common, '--compare', '--size', 16, '--options', *options) == 0
    assert 'left aside (1): optimizer' in capsys.readouterr().out
    assert load_weights(model, tmp_path / 'm.safetensors') == len(model.state_dict())
    assert call('convert.py', *common, '--backbone-only', '--options', *options) == 0
    assert load_weights(model.backbone, tmp_path / 'm.safetensors') > 20
    out = capsys.readouterr().out
    assert "prefix 'backbone.'" in out and 'head.fc.weight' in out
    keras = (tmp_path / 'epoch_1.pth', tmp_path / 'm.npz', '--config', RETRAIN)
    assert call('convert.py', *keras, '--compare', '--size', 16, '--options', *options) == 0


class Evil:
    def __reduce__(self):
        return os.mkdir, ('harm_done',)


@pytest.mark.parametrize('suffix', ['pt', 'pth', 'npz', 'safetensors'])
def test_nothing_is_unpickled(suffix, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f'evil.{suffix}'
    if suffix == 'npz':
        np.savez(path, weight=np.array([Evil()], dtype=object))
    elif suffix == 'safetensors':
        path.write_bytes(pickle.dumps({'state_dict': Evil()}))
    else:
        torch.save({'state_dict': {'weight': torch.ones(1)}, 'optimizer': Evil()}, path)
    capsys.readouterr()
    assert run(path, tmp_path / 'out.pth') == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith('error: CheckpointError') and '\n' not in error
    assert not (tmp_path / 'harm_done').exists() and not (tmp_path / 'out.pth').exists()


def test_a_crash_while_writing_leaves_no_half_file(net, tmp_path, monkeypatch):
    torch.save(net.state_dict(), tmp_path / 'a.pth')
    (tmp_path / 'b.pth').write_bytes(b'before')

    def fail(*args):
        raise OSError('disk full')

    monkeypatch.setattr(os, 'replace', fail)
    assert run(tmp_path / 'a.pth', tmp_path / 'b.pth') == 2
    assert (tmp_path / 'b.pth').read_bytes() == b'before'
    assert sorted(p.name for p in tmp_path.iterdir()) == ['a.pth', 'b.pth']


def test_requests_that_cannot_be_are_told(net, tmp_path, capsys):
    torch.save(net.state_dict(), tmp_path / 'a.pth')
    a = tmp_path / 'a.pth'
    for arguments, words in {
        (a, tmp_path / 'b.bin', '--arch', 'darts_v2'): '--to',
        (a, a, '--arch', 'darts_v2'): 'OUT is the same file as IN',
        (a, tmp_path / 'b.pth'): '--config',
        (a, tmp_path / 'b.pth', '--arch', 'darts_v2', '--from', 'chain'): 'no names for DARTSNet',
        (a, tmp_path / 'b.pth', '--arch', 'darts_v2', '--entry', 'ema'): "under 'ema'",
        (tmp_path / 'none.npz', tmp_path / 'b.pth', '--arch', 'darts_v2'): 'no such file',
    }.items():
        assert call('convert.py', *arguments) == 2
        assert words in capsys.readouterr().err
    assert run(a, tmp_path / 'b.safetensors') == 0
    told = (tmp_path / 'b.safetensors', tmp_path / 'c.pth', '--options', *SMALL)
    assert call('convert.py', *told, '--arch', 'darts_v1') == 2
    assert 'another genotype' in capsys.readouterr().err
    assert call('convert.py', *told) == 0  # the file says of which genotype it is


def test_a_part_without_a_name_is_told():
    small = dict(type='ppnas_mm.PPResNetCIFAR', depth=20, stem_channels=8, base_channels=8)
    model = MODELS.build(small)
    model.neck = torch.nn.Linear(2, 2)
    with pytest.raises(FormatError, match=r"no name for 'neck\.weight'"):
        to_format(model, 'keras-npz')
    assert detect(model, model.state_dict()) == 'ppnas'
    with pytest.raises(CheckpointError, match='0/'):
        from_format(model, {'x': torch.ones(1)}, 'ppnas')
    known = {'ppnas', 'darts', 'cdarts', 'chain', 'proxyless', 'keras-npz'}
    assert set(FORMATS) == {*known, 'timm', 'mmpretrain', 'mmdet'}
