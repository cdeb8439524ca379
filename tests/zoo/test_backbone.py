"""``ppnas_mm.create_backbone``: weights, stages, channels, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from config_files import CONFIGS
from entries import DIGITS, ENTRY, INDEX
from mmengine.config import Config
from zoo import images

import ppnas_mm
from ppnas_mm import zoo
from ppnas_mm.genotype import Genotype
from ppnas_mm.weights.checkpoint import CheckpointError
from ppnas_mm.zoo import backbone
from ppnas_mm.zoo.backbone import adapt_input
from ppnas_mm.zoo.model import entry_config


@pytest.fixture(scope='module')
def whole() -> Any:
    """The backbone of the whole network of the entry."""
    return zoo.load(DIGITS).backbone


@torch.no_grad()
def test_it_is_the_backbone_of_the_whole_network(whole: Any) -> None:
    net = ppnas_mm.create_backbone('pp_resnet20', pretrained='digits', out_indices=(0, 2)).eval()
    x = images(2, 3, 16, 16)
    maps, (first, _, last) = net(x), whole(x)
    assert len(maps) == 2 and net.out_channels == [64, 256]
    assert torch.equal(maps[0], first) and torch.equal(maps[1], last)
    assert net.normalisation['mean'] == tuple(ENTRY['normalisation']['mean'])
    assert net.classes == tuple(ENTRY['classes'])


def test_a_model_around_it_does_not_initialise_it_again(whole: Any) -> None:
    net = ppnas_mm.create_backbone('pp_resnet20', pretrained='digits')
    net.init_weights()
    assert all(torch.equal(v, whole.state_dict()[k]) for k, v in net.state_dict().items())


def test_names_and_tags() -> None:
    for given in (('pp_resnet20.digits', True), ('ppnas://pp_resnet20.digits', True)):
        assert ppnas_mm.create_backbone(*given).genotype == zoo.load(DIGITS).backbone.genotype
    assert backbone.find('pp_resnet20', None).name == 'pp_resnet20.cifar10-20k'  # the first


@torch.no_grad()
def test_grey_images_give_what_they_gave_as_rgb(whole: Any) -> None:
    net = ppnas_mm.create_backbone('pp_resnet20', 'digits', in_channels=1).double().eval()
    grey = images(2, 1, 16, 16, dtype=torch.float64)
    reference = ppnas_mm.create_backbone('pp_resnet20', 'digits').double().eval()
    for ours, theirs in zip(net(grey), reference(grey.repeat(1, 3, 1, 1)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)  # a sum in float32
    assert net.normalisation['std'] == (127.5,)


def test_four_channels_repeat_and_scale(whole: Any) -> None:
    net = ppnas_mm.create_backbone('pp_resnet20', 'digits', in_channels=4)
    ours, given = net.stem[0].conv.weight, whole.stem[0].conv.weight
    assert ours.shape == (given.shape[0], 4, 3, 3)
    for channel, source in enumerate((0, 1, 2, 0)):
        torch.testing.assert_close(ours[:, channel], given[:, source] * 0.75)
    others = {k: v for k, v in net.state_dict().items() if k != 'stem.0.conv.weight'}
    assert all(torch.equal(v, whole.state_dict()[k]) for k, v in others.items())
    assert len(net.normalisation['mean']) == 4


@pytest.mark.parametrize('channels', [1, 2, 4, 7])
def test_the_first_layer_is_adapted_channel_by_channel(channels: int) -> None:
    """timm's rule: one channel is the sum; more are R, G, B, R ... scaled."""
    weight = torch.randn(5, 3, 3, 2)
    found = adapt_input(weight, channels)
    assert found.shape == (5, channels, 3, 2)
    for c in range(channels):
        one = weight[:, c % 3] * 3 / channels
        expected = one if channels > 1 else weight[:, 0] + weight[:, 1] + weight[:, 2]
        torch.testing.assert_close(found[:, c], expected)
    with pytest.raises(ValueError, match='4 channels'):
        adapt_input(torch.zeros(1, 4, 1, 1), 2)


def test_without_weights_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError('read')

    monkeypatch.setattr('ppnas_mm.weights.checkpoint.load_checkpoint', refuse)
    net = ppnas_mm.create_backbone('pp_resnet20', in_channels=2, frozen_stages=1)
    assert net.stem[0].conv.in_channels == 2 and not net.layer1[0].conv1.conv.weight.requires_grad


WRONG: dict[str, tuple[dict[str, Any], type, str]] = {
    'name': (dict(name='pp_resnet21'), zoo.ZooError, 'pp_resnet21.*pp_resnet20'),
    'tag': (dict(pretrained='mnist'), zoo.ZooError, "'mnist'.*'digits'"),
    'channels': (dict(in_channels=0), ValueError, 'in_channels=0'),
    'stages': (dict(out_indices=(5,)), ValueError, 'out_indices'),
    'architecture': (dict(arch='pp_resnet_cifar100'), CheckpointError, 'another genotype'),
    'width': (dict(base_channels=32), CheckpointError, 'base|tensors'),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_arguments_are_named(case: str) -> None:
    changed, error, words = WRONG[case]
    with pytest.raises(error, match=words) as info:
        ppnas_mm.create_backbone(**{'name': 'pp_resnet20', 'pretrained': 'digits', **changed})
    assert '\n' not in str(info.value)


RECIPES = sorted(
    path
    for path in CONFIGS.glob('_base_/backbones/*.py')
    if 'ppnas://' in path.read_text() or '-d8' in path.stem or '-d16' in path.stem
)


@pytest.mark.parametrize('path', RECIPES, ids=[path.stem for path in RECIPES])
def test_recipes_start_from_the_weights_of_their_network(path: Path) -> None:
    """Shapes alone do not tell: stride and architecture are those of the entry."""
    parts = {k: v for k, v in Config.fromfile(path).network.items() if k != 'classifier'}
    assert 'segmentor' in parts
    for part in parts.values():
        item = zoo.entry(part.backbone.init_cfg.checkpoint)
        theirs = entry_config(item, INDEX).model.backbone
        for key, default in {'depth': 50, 'block': 'ppconv', 'stride_in': 'pool'}.items():
            assert part.backbone.get(key, default) == theirs.get(key, default)
        arch = part.backbone.arch and Genotype.load(part.backbone.arch).hash
        assert arch == item.genotype_hash
