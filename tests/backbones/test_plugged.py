"""Blocks plugged into networks of the installed libraries."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import LIBRARY_NETWORKS
from torch import nn

from ppnas_mm.genotype import Genotype, GenotypeError
from ppnas_mm.layers.plug import PlugError, find_places
from ppnas_mm.registry import MODELS
from ppnas_mm.weights import CheckpointError, checkpoint

IMAGENET = Genotype.load('pp_resnet_imagenet')
ONE = {**IMAGENET.to_dict(), 'cells': IMAGENET.to_dict()['cells'][:1]}
NAMES = sorted(LIBRARY_NETWORKS)


def plugged(name: str, arch: Any = ONE, **kwargs: Any) -> Any:
    network = LIBRARY_NETWORKS[name]
    return MODELS.build(
        dict(
            type='ppnas_mm.Plugged', backbone=network.config, arch=arch,
            **{'where': network.where, **kwargs},
        )
    )  # fmt: skip


def block_parameters(cell: dict[str, Any], width: int) -> int:
    """Of the convolutions and of two values of each norm, by the sizes of the groups."""
    part, total = width // cell['inputs'], 0
    for (edge,) in cell['nodes']:
        size = {'identity': 0, 'conv_1x1': 1, 'conv_3x3': 9}[edge['op']]
        total += size * part * part + (2 * part if size else 0)
    return total


@pytest.mark.parametrize('name', NAMES)
def test_it_builds_learns_and_deploys(name: str) -> None:
    plain: Any = MODELS.build(LIBRARY_NETWORKS[name].config)
    net = plugged(name)
    convs = dict(plain.named_modules())
    count = sum(p.numel() for p in plain.parameters())
    for place in net.places:
        count -= sum(p.numel() for p in convs[place.name].parameters())
        count += block_parameters(ONE['cells'][0], convs[place.name].in_channels)
    assert sum(p.numel() for p in net.parameters()) == count
    blocks = [f'net.{place.name}.' for place in net.places]
    others = {k for k in net.state_dict() if not k.startswith(tuple(blocks))}
    assert others == {f'net.{k}' for k in plain.state_dict() if k not in {
        f'{p.name}.{x}' for p in net.places for x in ('weight', 'bias')}}  # fmt: skip

    images = torch.rand(2, 3, 64, 64)
    maps = net.train()(images)
    plain.eval()  # mmdet's returns nothing
    plain_maps = plain(images)
    plain_maps = [plain_maps] if isinstance(plain_maps, torch.Tensor) else plain_maps
    assert [m.shape for m in maps] == [m.shape for m in plain_maps]
    assert net.out_channels == [m.shape[1] for m in maps]
    assert [info['reduction'] for info in net.feature_info] == [64 // m.shape[-1] for m in maps]
    torch.stack([m.square().mean() for m in maps]).sum().backward()
    for place in net.places:
        block = net.net.get_submodule(place.name)
        assert all(p.grad is not None and p.grad.any() for p in block.parameters()), place

    net.init_weights()  # some libraries start the last norm of a block at 0
    with torch.no_grad():
        expected = net.eval()(images)
        deployed = copy.deepcopy(net).switch_to_deploy()(images)
    for one, other in zip(expected, deployed, strict=True):
        assert float((one - other).abs().max()) < 1e-4 * float(one.abs().max())


def test_stages_are_those_of_a_resnet() -> None:
    """Of 16 bottlenecks 13 have stride 1; each belongs to its layer, whatever is returned."""
    for config in (dict(), dict(out_indices=(3,)), dict(strides=(1, 2, 1, 1),
                                                         dilations=(1, 1, 2, 4))):  # fmt: skip
        net: Any = MODELS.build(dict(type='mmdet.ResNet', depth=50, base_channels=8, **config))
        places, _ = find_places(net, r'layer\d\..*conv2', 4)
        same = 'dilations' in config
        assert len(places) == (15 if same else 13)
        assert all(place.name.startswith(f'layer{place.stage + 1}.') for place in places)
        assert {p.dilation for p in places} == ({1, 2, 4} if same else {1})


def test_a_published_architecture_has_a_cell_for_each_stage() -> None:
    net = plugged('ResNet', 'pp_resnet_imagenet')
    for place in net.places:
        cell = IMAGENET.cells[place.stage]
        assert net.net.get_submodule(place.name).sources == [n[0].sources for n in cell.nodes]
    with pytest.raises(GenotypeError, match=r'3 cells, but mmdet\.ResNet has blocks in 4 stages'):
        plugged('ResNet', 'pp_resnet_cifar10')
    with pytest.raises(GenotypeError, match="a ppconv genotype, got 'darts'"):
        plugged('ResNet', 'cdarts_cifar10')


@pytest.mark.parametrize(
    ('where', 'text'),
    [
        ('layer9.*', "names no k x k convolution of stride 1 in ResNet; `where` can name layer1"),
        ('layer(', 'not a regular expression'),
        (None, '13 convolutions have channels that D=5 does not divide, such as layer1.0.conv2'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(where: str | None, text: str) -> None:
    with pytest.raises(PlugError) as caught:
        find_places(MODELS.build(LIBRARY_NETWORKS['ResNet'].config), where, 5)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ('conv', 'text'),
    [
        (nn.Conv2d(4, 8, 3, padding=1), '0 maps 4 channels to 8'),
        (nn.Conv2d(4, 4, 3), r'0 has padding \(0, 0\)'),
    ],
)
def test_a_convolution_that_changes_its_map_is_refused(conv: nn.Module, text: str) -> None:
    with pytest.raises(PlugError, match=text):
        find_places(nn.Sequential(conv), '0', 2)


def test_what_no_map_depends_on_stays() -> None:
    class Unused(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self[0](x)

    convs = [nn.Conv2d(3, 3, 3, padding=1) for _ in range(2)]
    places, maps = find_places(Unused(*convs), None, 3)
    assert [place.name for place in places] == ['0']
    assert maps == [(3, 1)]


def test_published_weights_load_around_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = LIBRARY_NETWORKS['ResNet'].config
    plain: Any = MODELS.build(config)
    plain.init_weights()
    state = {f'backbone.{k}': v for k, v in plain.state_dict().items()}
    path = tmp_path / 'resnet.pth'
    torch.save({'state_dict': state}, path)
    given = {**config, 'init_cfg': dict(type='Pretrained', checkpoint=str(path))}
    net: Any = MODELS.build(dict(type='ppnas_mm.Plugged', backbone=given, arch=ONE))
    said: list[str] = []
    monkeypatch.setattr(checkpoint, 'print_log', lambda text, _: said.append(text))
    net.init_weights()
    inside = tuple(f'{place.name}.' for place in net.places)
    left = {k: v for k, v in net.net.state_dict().items() if not k.startswith(inside)}
    assert all(torch.equal(v, plain.state_dict()[k]) for k, v in left.items())
    text = f'{len(left)}/{len(left)} tensors of the backbone loaded, 13 blocks are new'
    assert said == [f'{path}: {text}']
    del state['backbone.layer3.1.bn2.weight']
    torch.save({'state_dict': state}, path)
    again: Any = MODELS.build(dict(type='ppnas_mm.Plugged', backbone=given, arch=ONE))
    with pytest.raises(CheckpointError, match=r'layer3\.1\.bn2\.weight is missing'):
        again.init_weights()


def test_frozen_stages_and_norm_eval_are_the_librarys() -> None:
    given = {**LIBRARY_NETWORKS['ResNet'].config, 'frozen_stages': 1, 'norm_eval': True}
    net: Any = MODELS.build(dict(type='ppnas_mm.Plugged', backbone=given, arch=ONE)).train()
    frozen = {n for n, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {
        n for n, _ in net.named_parameters() if n.startswith(('net.conv1', 'net.bn1', 'net.layer1'))
    }
    norms = {n: m for n, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)}
    learning = {n for n, m in norms.items() if m.training}
    # those of new blocks have no statistics yet
    assert learning == {n for n in norms if '.conv2.nodes.' in n and '.layer1.' not in n}
    start = dict(type='Pretrained', checkpoint='x.pth')
    whole: Any = MODELS.build(
        dict(type='ppnas_mm.Plugged', backbone=given, arch=ONE, init_cfg=start)
    ).train()
    assert not any(m.training for m in whole.modules() if isinstance(m, nn.BatchNorm2d))


def test_ppconv_is_a_convolution_layer_of_openmmlab() -> None:
    """A whole ResNet by conv_cfg: blocks where a 3x3 keeps width and size, else convolutions."""
    config = {**LIBRARY_NETWORKS['ResNet'].config}
    layer = dict(type='ppnas_mm.PPConv', arch=ONE)
    by_layer: Any = MODELS.build({**config, 'conv_cfg': layer})
    by_name = plugged('ResNet')
    assert by_layer.state_dict().keys() == by_name.net.state_dict().keys()
    by_layer.load_state_dict(by_name.net.state_dict())
    image = torch.rand(1, 3, 64, 64)
    by_layer.eval()
    for one, other in zip(by_layer(image), by_name.eval()(image), strict=True):
        assert torch.equal(one, other)
    from mmcv.cnn import ConvModule

    module = ConvModule(8, 8, 3, padding=1, conv_cfg=layer, norm_cfg=dict(type='BN'))
    assert module(image.new_ones(2, 8, 5, 5)).shape == (2, 8, 5, 5)
    with pytest.raises(PlugError, match='a convolution of 6 channels, which D=4 groups do not'):
        ConvModule(6, 6, 3, padding=1, conv_cfg=layer)
    with pytest.raises(GenotypeError, match=r'stage=1..1, got .ppconv., stage=2'):
        ConvModule(8, 8, 3, padding=1, conv_cfg={**layer, 'stage': 2})
