"""The deployed form computes what the plain form computes."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo import BACKBONES, NETWORKS, SPACES, build_network, build_super_net, images, scramble

from ppnas_mm import Genotype, published
from ppnas_mm.deploy import DeployError

SIZES = [(1, 3, 33, 47), (2, 3, 64, 32)]
BACKBONE_NAMES = [f'ppnas_mm.{name}' for name in BACKBONES]
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in BACKBONE_NAMES},
    **{
        f'PPResNet {block}': ('ppnas_mm.PPResNet', {'block': block, 'base_width': 26})
        for block in ('resnet', 'resnext', 'res2net')
    },
    **{
        arch: (f'ppnas_mm.PPResNet{"" if len(genotype.cells) == 4 else "CIFAR"}', {'arch': arch})
        for arch, genotype in ((arch, Genotype.load(arch)) for arch in published())
        if genotype.space == 'ppconv'
    },
    'dilated': ('ppnas_mm.PPResNet', dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))),
}
backbone = pytest.mark.parametrize('name', BACKBONE_NAMES)


def plain(name: str, **overrides: Any) -> Any:
    """A network with statistics that are no identity, in evaluation mode."""
    return scramble(build_network(name, **overrides)).eval()


@torch.no_grad()
def assert_same_maps(want: tuple[Tensor, ...], got: tuple[Tensor, ...]) -> None:
    assert len(got) == len(want)
    for a, b in zip(want, got, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= 1e-5 * a.abs().max()


@pytest.mark.parametrize('variant', VARIANTS)
@torch.no_grad()
def test_maps_are_the_same(variant: str) -> None:
    name, overrides = VARIANTS[variant]
    net = plain(name, **overrides)
    inputs = [images(*size) for size in SIZES]
    want = [net(x) for x in inputs]
    assert net.switch_to_deploy() is net
    for x, maps in zip(inputs, want, strict=True):
        assert_same_maps(maps, net(x))
