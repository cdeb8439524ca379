"""Table of the networks to count, time and train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..config.keys import ConfigError
from ..utils.registries import MODELS

CDARTS = dict(type='DARTSNet', arch='cdarts_imagenet', variant='imagenet', num_cells=14)
SMALL = dict(depth=20, stem_channels=16, base_channels=16)  # of configs/search/ppnas_digits.py
CHAIN = (1280,)


@dataclass(frozen=True)
class Network:
    """A backbone and the parts trained with it.

    Attributes:
        backbone: Its config, without the scope.
        classes: Number of classes; 1000 implies images of 224 x 224, 10 images of 32 x 32.
        hidden: Channels of the layers between backbone and classifier.
        paper: Millions of parameters in the paper.
        search: The algorithm that trains the backbone, if it is a super-net.
    """

    backbone: dict[str, Any]
    classes: int = 1000
    hidden: tuple[int, ...] = ()
    paper: float | None = None
    search: str | None = None

    @property
    def size(self) -> int:
        """Side of its images."""
        return 224 if self.classes == 1000 else 32

    def config(self) -> dict[str, Any]:
        """Return the backbone's config for any registry."""
        return {**self.backbone, 'type': f'ppnas_mm.{self.backbone["type"]}'}

    def build(self) -> Any:
        """Return the backbone."""
        return MODELS.build(self.config())


def _resnet(block: str = 'ppconv', depth: int = 50, paper: float | None = None) -> Network:
    return Network(dict(type='PPResNet', depth=depth, block=block), paper=paper)


def _cifar(block: str = 'ppconv', paper: float | None = None, **kwargs: Any) -> Network:
    given = {'type': 'PPResNetCIFAR', 'depth': 110, 'block': block, **kwargs}
    return Network(given, 10, paper=paper)


def _ppnas(**kwargs: Any) -> Network:
    given = dict(type='PPConvSuperNet', macro='cifar', **kwargs)
    return Network(given, 10, search='ppnas_mm.PPNAS')


NETWORKS: dict[str, Network] = {
    'ResNet-50-vd': _resnet('resnet', paper=25.6),
    'Res2Net-50-vd': _resnet('res2net', paper=25.7),
    'PP-ResNet-50': _resnet(paper=25.7),
    'PP-ResNet-101': _resnet(depth=101),
    'PP-ResNet-152': _resnet(depth=152),
    'DARTSNet': Network({**CDARTS, 'init_channels': 48}, paper=6.36),
    'DARTSNet-44': Network({**CDARTS, 'init_channels': 44}, paper=5.4),
    'ChainNet': Network(dict(type='ChainNet', arch='cdarts_a'), hidden=CHAIN, paper=7.0),
    'ChainNet-b': Network(dict(type='ChainNet', arch='cdarts_b'), hidden=CHAIN, paper=6.4),
    'MobileNASNet': Network(dict(type='MobileNASNet', arch='proxylessnas_gpu')),
    'ResNet-110': _cifar('resnet', 18.1),
    'ResNeXt-110': _cifar('resnext', 18.1),
    'Res2Net-110': _cifar('res2net', 18.5),
    'PP-ResNet-110': _cifar(paper=18.5),
    'DARTSNet-CIFAR': Network(dict(type='DARTSNet', arch='cdarts_cifar10'), 10, paper=3.9),
    'Res2Net-20': _cifar('res2net', **SMALL),
    'PP-NAS-super-net-20': _ppnas(**SMALL),
    'PP-NAS-super-net-110': _ppnas(depth=110),
}
"""By name: Res2Net and PP-ResNet are 26w x 4s, ResNeXt is 4c x 24w, DARTSNet and ChainNet have the
architectures of CDARTS, MobileNASNet that of ProxylessNAS for a GPU."""

DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


def named(names: Sequence[str]) -> dict[str, Network]:
    """Return networks of the table.

    Raises:
        ConfigError: If a name is unknown.
    """
    for name in names:
        if name not in NETWORKS:
            raise ConfigError(f'network {name!r}: expected one of {list(NETWORKS)}')
    return {name: NETWORKS[name] for name in names}
