"""A search from a finished config: what is swapped, what follows, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from digits_classifier import finished_config
from fresh import finish, start, without_vision_ops
from mmengine.config import Config
from mmengine.registry import DefaultScope
from tool import call

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config
from ppnas_mm.config.model import build_model
from ppnas_mm.config.shipped import find_config
from ppnas_mm.engine import search_config
from ppnas_mm.engine.network_config import _with_own
from ppnas_mm.engine.search_config import ALGORITHMS, SPACES, to_search
from ppnas_mm.engine.swap_backbone import maps_of, swap
from ppnas_mm.genotype import Genotype
from ppnas_mm.layers.plug import find_places
from ppnas_mm.utils.registries import MODELS

RESNET = [256, 512, 1024, 2048]
CHAIN = [24, 40, 96, 960]


def library_config(name: str) -> Config:
    return load_config(find_config(name))


@pytest.fixture(autouse=True)
def _steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data are not here; an epoch has 100 steps."""
    monkeypatch.setattr(search_config, '_steps', lambda *_: 100)


@pytest.mark.parametrize(
    ('name', 'space', 'kept', 'channels'),
    [
        ('mmdet::retinanet_r50_fpn_1x_coco', 'plugged', 'neck.in_channels', RESNET),
        ('mmdet::retinanet_r50_fpn_1x_coco', 'chain', 'neck.in_channels', CHAIN),
        ('mmdet::faster-rcnn_r50_fpn_1x_coco', 'mobile', 'neck.in_channels', [32, 56, 128, 1728]),
        ('mmdet::rtmdet_tiny_8xb32-300e_coco', 'ppconv', 'neck.in_channels', RESNET[1:]),
        ('mmseg::upernet_r50_4xb4-20k_voc12aug-512x512', 'chain', 'decode_head.in_channels', CHAIN),
        ('mmseg::upernet_r50_4xb4-20k_voc12aug-512x512', 'chain', 'auxiliary_head.in_channels',
         CHAIN[2]),
        ('mmseg::deeplabv3plus_r50-d8_4xb4-20k_voc12aug-512x512', 'ppconv',
         'decode_head.c1_in_channels', 256),
        ('mmpretrain::resnet50_8xb32_in1k', 'darts', 'head.in_channels', 768),
        ('mmpretrain::resnet18_8xb16_cifar10', 'darts', 'head.in_channels', 256),
    ],
)  # fmt: skip
def test_channels_follow_the_backbone(name: str, space: str, kept: str, channels: Any) -> None:
    finished = library_config(name)
    before = finished.pretty_text
    search = to_search(finished, space, 'random')
    assert finished.pretty_text == before  # the config given is not changed
    node: Any = search.model.model
    for key in kept.split('.'):
        node = node[key]
    assert node == channels
    maps = maps_of(search.model.model.backbone)
    with DefaultScope.overwrite_default_scope(finished.default_scope):
        old = maps_of(finished.model.backbone)
    if len(old) > 1:  # a detector's levels have their strides; a classifier pools them all
        assert [m.stride for m in maps] == [m.stride for m in old]
    expected = channels if isinstance(channels, list) else [channels]
    assert set(expected) <= {m.channels for m in maps}


@pytest.mark.parametrize('algorithm', sorted(ALGORITHMS))
def test_every_algorithm_is_built_with_its_optimizers(algorithm: str) -> None:
    space = 'ppconv' if algorithm == 'ppnas' else 'darts'
    search = to_search(library_config('mmpretrain::resnet18_8xb16_cifar10'), space, algorithm)
    backbone, head = search.model.model.backbone, search.model.model.head
    if space == 'darts':
        backbone.update(num_cells=3, init_channels=4)
        head.in_channels = 64
    else:
        backbone.update(depth=20, stem_channels=8, base_channels=8)
        head.in_channels = 128
    if algorithm == 'cdarts':
        search.model.evaluation = dict(num_cells=3)
    model = build_model(search)
    assert type(model).__name__ == ALGORITHMS[algorithm].type
    parts = set(search.optim_wrapper) - {'constructor'}
    assert parts == set(model.optim_parts())
    assert search.optim_wrapper.weights.optimizer.lr == 0.1  # the config's own
    assert search.param_scheduler.weights[0]['milestones'] == [100, 150]
    assert search.train_cfg.max_epochs == 200


def test_a_schedule_in_iterations_becomes_epochs() -> None:
    search = to_search(library_config('mmseg::deeplabv3plus_r50-d8_4xb4-20k_voc12aug-512x512'))
    assert search.train_cfg.max_epochs == 200 and search.train_cfg.val_interval == 20
    assert search.param_scheduler.weights[0].end == 20000  # still in iterations
    assert search.train_dataloader.sampler.type == 'DefaultSampler'


STEPS = search_config._steps


@pytest.mark.parametrize('algorithm', ['gdas', 'spos', 'ppnas'])
@pytest.mark.parametrize(('processes', 'drop'), [(1, False), (1, True), (4, False)])
def test_an_epoch_of_a_search_may_be_a_part_of_the_images(
    algorithm: str, processes: int, drop: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Schedules that ended with the iterations end with the epochs."""
    monkeypatch.setattr(search_config, '_steps', STEPS)
    for folder in ('leftImg8bit', 'gtFine'):
        (tmp_path / folder).mkdir()
    for i in range(99):
        (tmp_path / f'leftImg8bit/{i}_leftImg8bit.png').touch()
    config = library_config('mmseg::deeplabv3plus_r50-d8_4xb4-20k_voc12aug-512x512')
    config.train_dataloader.update(batch_size=2, drop_last=drop)
    config.train_dataloader['dataset'] = dict(
        type='CityscapesDataset',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='leftImg8bit', seg_map_path='gtFine'),
        pipeline=[],
    )
    config.train_cfg.max_iters = 800
    config.param_scheduler = [
        dict(type='LinearLR', by_epoch=False, begin=0, end=50),
        dict(type='CosineAnnealingLR', by_epoch=False, begin=50, T_max=750, end=800),
    ]
    images = {'gdas': 50, 'spos': 90, 'ppnas': 99}[algorithm]  # of the half that weights see
    each = -(-images // processes)
    steps = each // 2 if drop else -(-each // 2)
    search = to_search(config, 'ppconv', algorithm, processes=processes)
    assert search.train_cfg.max_epochs == round(800 / steps)
    total = search.train_cfg.max_epochs * steps
    warm, cosine = search.param_scheduler.weights
    assert (warm.end, cosine.begin, cosine.end, cosine.T_max) == (50, 50, total, total - 50)


def test_new_blocks_learn_in_a_plugged_search() -> None:
    finished = library_config('mmdet::retinanet_r50_fpn_1x_coco')
    backbone = to_search(finished).model.model.backbone.backbone
    assert backbone.type == 'mmdet.ResNet' and backbone.init_cfg.checkpoint.startswith('torchvis')
    assert backbone.frozen_stages == -1 and backbone.norm_eval is False
    del finished.model.backbone['norm_eval']  # True by default
    assert to_search(finished).model.model.backbone.backbone.norm_eval is False
    chosen = to_search(finished, where=r'layer4.*conv2').model.model.backbone
    assert chosen.where == 'layer4.*conv2'


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (dict(space='plugd'), "--space plugd: expected one of ['chain'"),
        (dict(algorithm='ppnass'), "did you mean 'ppnas'?"),
        (dict(space='chain', where='x'), "--where names convolutions of the space 'plugged'"),
        (dict(algorithm='cdarts'), '--algorithm cdarts compares logits of classifiers'),
        (dict(limits=dict(params=1e6)), '--limits: PPNAS has none; with limits: random'),
        (dict(where='layer9.*'), 'names no k x k convolution of stride 1'),
    ],
)
def test_what_is_not_possible_is_said(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError) as caught:
        build_model(to_search(library_config('mmdet::retinanet_r50_fpn_1x_coco'), **arguments))
    assert text in str(caught.value)


@pytest.mark.parametrize(('epochs', 'first', 'later'), [(120, 100, 5), (24, 20, 1), (2, 1, 1)])
def test_se_nas_shrinks_in_any_schedule(epochs: int, first: int, later: int) -> None:
    finished = library_config('mmpretrain::resnet18_8xb16_cifar10')
    finished.train_cfg.max_epochs = epochs
    model = to_search(finished, 'plugged', 'senas').model
    assert (model.first_epochs, model.stage_epochs) == (first, later)
    assert model.first_epochs < epochs


@pytest.mark.parametrize('algorithm', ['spos', 'senas'])
def test_evaluation_does_not_outlast_the_training(algorithm: str) -> None:
    """RetinaNet's 12 epochs on 8 GPUs: a batch that is evaluated takes a third of a step."""
    search = to_search(library_config('mmdet::retinanet_r50_fpn_1x_coco'), 'plugged', algorithm)
    model = build_model(search)
    model.attach({'train': [], 'val': []}, 12)
    evaluated = 0
    for epoch in range(1, 13):
        model.epoch = epoch
        evaluated += model.batches_evaluated(epoch, 6597, 733)
    assert 0 < evaluated / 3 < 12 * 6597


def test_a_classifier_reads_the_last_map_only() -> None:
    finished = library_config('mmpretrain::resnet18_8xb16_cifar10')
    finished.model.backbone.out_indices = (0, 1, 2, 3)
    search = to_search(finished, 'darts', 'gdas')
    assert search.model.model.backbone.out_indices == (2,)
    assert search.model.model.head.in_channels == 256


@pytest.mark.parametrize(
    ('name', 'space'),
    [
        ('retinanet_pp-resnet_digit-scenes', 'ppconv'),
        ('gflv2_pp-resnet50_coco', 'ppconv'),
        ('deeplabv3plus_pp-resnet50-d8_cityscapes', 'ppconv'),
        ('pp-resnet110_cifar10', 'ppconv'),
        ('retinanet_cdarts-a_digit-scenes', 'chain'),
        ('gflv2_mobilenas_voc0712', 'mobile'),
    ],
)
def test_an_architecture_of_the_space_keeps_its_size(name: str, space: str) -> None:
    """The network that the search would derive is the config's own, if it finds the same."""
    finished = load_config(find_config(name))
    search = to_search(finished, space, 'random')
    own = {k: v for k, v in finished.model.items() if k != 'backbone'}
    assert {k: v for k, v in search.model.model.items() if k != 'backbone'} == own
    backbone = dict(finished.model.backbone, init_cfg=None)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        before = MODELS.build(backbone)
        net = MODELS.build(search.model.model.backbone)
        after = MODELS.build(net.backbone_config(before.genotype))
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (before, after)]
    assert shapes[0] == shapes[1]
    assert maps_of(backbone) == maps_of(net.backbone_config(before.genotype))
    assert after.frozen_stages == -1


@pytest.mark.parametrize(
    ('name', 'channels'),
    [
        ('mmpretrain::convnext-tiny_32xb128_in1k', 768),  # pools itself
        ('mmpretrain::tinyvit-5m-distill_8xb256_in1k', 320),  # takes images of 224 only
        ('mmpretrain::deit-tiny_4xb256_in1k', 192),  # one token
    ],
)
def test_a_backbone_that_returns_vectors_is_replaced(name: str, channels: int) -> None:
    """The maps of the new one are pooled."""
    finished = library_config(name)
    assert finished.model.head.in_channels == channels and not finished.model.get('neck')
    model = to_search(finished, 'chain', 'random').model.model
    assert model.neck.type == 'mmpretrain.GlobalAveragePooling'
    assert model.head.in_channels == 960 and model.backbone.out_indices == (3,)


def test_a_classifier_inside_of_a_backbone_stays_or_is_refused() -> None:
    finished = library_config('mmpretrain::vgg11_8xb32_in1k')
    with pytest.raises(ConfigError, match=r"\(ClsHead\) has no in_channels: .* space 'plugged'"):
        to_search(finished, 'chain', 'random')
    backbone = to_search(finished, 'plugged', 'random').model.model.backbone
    places, maps = find_places(MODELS.build(backbone.backbone), None, 4)
    assert maps == [(1000, 0)]
    # VGG-11: 64, 128, 256, 256, 512 ... channels; the second of each pair keeps its width
    assert [(place.stage, place.width) for place in places] == [
        (0, 256),
        (1, 512),
        (2, 512),
        (2, 512),
    ]


def test_the_reader_keeps_its_kind_of_sequence() -> None:
    """SSDNeck compares its tuples."""
    neck = dict(type='SSDNeck', in_channels=(512, 1024), out_channels=(512, 1024, 512))
    old = maps_of(dict(type='mmdet.SSDVGG', depth=16, ceil_mode=True, with_last_pool=False,
                       out_indices=(3, 4), out_feature_indices=(22, 34)))  # fmt: skip
    assert swap(dict(neck=neck), dict(type='mmdet.ResNet', depth=50, out_indices=(1, 2)), old) == []
    assert neck['in_channels'] == (512, 1024)


def test_a_space_without_the_strides_of_the_model_is_refused() -> None:
    name = 'mmseg::deeplabv3plus_r50-d8_4xb4-20k_voc12aug-512x512'
    with pytest.raises(ConfigError, match=r'reads maps of strides \[4, 8, 8, 8\].*plugged'):
        to_search(library_config(name), 'chain', 'spos')


def test_a_search_is_no_finished_config() -> None:
    with pytest.raises(ConfigError, match='PPNAS is a search already'):
        to_search(load_config(find_config('ppnas_digits')))


def test_only_the_reader_of_the_backbone_changes() -> None:
    """Heads behind a neck keep their channels, even if they equal the backbone's."""
    head = dict(type='RetinaHead', in_channels=256, feat_channels=256)
    model = dict(neck=dict(type='FPN', in_channels=list(RESNET)), bbox_head=head)
    new = dict(type='ppnas_mm.ChainNet', arch='cdarts_a', out_indices=(0, 1, 2, 3))
    old = maps_of(dict(type='mmdet.ResNet', depth=50))
    assert [m.channels for m in old] == RESNET
    changes = swap(model, new, old)
    assert model['neck']['in_channels'] == CHAIN and model['bbox_head'] == head
    assert changes == [f'model.neck.in_channels={CHAIN} (was {RESNET})']


TRAIN = (
    'from mmengine.config import Config; from mmengine.runner import Runner; import sys; '
    'c = Config.fromfile(sys.argv[1]); c.work_dir = sys.argv[2]; Runner.from_cfg(c).train()'
)


def test_from_a_finished_config_to_a_config_of_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """What the search leaves is tested by our tool, and trained by mmengine alone."""
    given, work = tmp_path / 'mine.py', tmp_path / 'work'
    given.write_text(finished_config(8, 1))
    words = ['--algorithm', 'random', '--work-dir', work, '--cfg-options',
             'default_hooks.search.recalibrate_batches=1']  # fmt: skip
    assert call('search.py', '--model', given, *words) == 0
    said = capsys.readouterr().out
    found = work / 'config.py'
    assert f'  ppnas test {found} {work}/derived.safetensors' in said
    record = json.loads((work / 'search.json').read_text())
    assert record['config'] == 'random_plugged_mine.py' and record['algorithm'] == 'RandomSearch'
    config = Config.fromfile(found)
    assert config.model.data_preprocessor.mean == [127.5] * 3
    assert Genotype.load(config.model.backbone.arch.to_dict()).hash == record['result']['genotype']
    assert call('test.py', found, work / 'derived.safetensors', '--work-dir', tmp_path / 'b') == 0
    accuracy = record['result']['derived']['metrics']['accuracy/top1']
    assert f'accuracy/top1: {accuracy:.2f}' in capsys.readouterr().out
    found = work.rename(tmp_path / 'moved') / 'config.py'  # with its weights
    vision = without_vision_ops(tmp_path / 'vision')  # as beside a CPU build of torch
    training = start(['-c', TRAIN, str(found), str(tmp_path / 'c')], vision)
    assert 'tensors of the backbone loaded' in finish(training)


@pytest.mark.parametrize('given', [None, dict(imports='json'), dict(imports=['json', 'ppnas_mm'])])
def test_the_config_of_a_network_imports_this_package(given: dict[str, Any] | None) -> None:
    imports = _with_own(given or {})['imports']
    assert imports == (['json', 'ppnas_mm'] if given else ['ppnas_mm'])


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        ([], 'expected a config of a search, or --model'),
        (['a.py', '--model', 'b.py'], 'expected a config of a search, or --model'),
        (['a.py', '--space', 'chain'], '--space goes with --model'),
        (['--model', 'b.py', '--space', 'chian'], 'invalid choice'),
    ],
)
def test_the_command_line_is_checked(
    words: list[str], text: str, capsys: pytest.CaptureFixture
) -> None:
    assert call('search.py', *words) == 2
    assert text in capsys.readouterr().err


def test_a_failed_searchs_genotype_is_not_trained(tmp_path: Path) -> None:
    data = Genotype.load('pp_resnet_cifar10').to_dict()
    data['provenance'] = {'status': 'failed: stage1 node 4 has no input'}
    path = tmp_path / 'genotype.json'
    Genotype.load(data).save(path)
    config = load_config(find_config('pp-resnet20_digits'))
    from ppnas_mm.engine.run import set_genotype

    with pytest.raises(ConfigError, match='of a search that failed: stage1 node 4 has no input'):
        set_genotype(config, path)


def test_every_space_has_an_algorithm() -> None:
    assert set(search_config.USUAL) <= set(SPACES)
    assert set(search_config.USUAL.values()) <= set(ALGORITHMS)
