"""Versions, the card, and one forward of every backbone compared with the CPU."""

from __future__ import annotations

import copy
import os
import platform
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import mmcv
import mmengine
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn

from ...utils.registries import MODELS
from ...utils.timing import device_name
from ...version import __version__
from ..networks import DTYPES
from .parts import Options, Row, attempt

CELL = [[{'op': 'nor_conv_3x3', 'sources': [i]} for i in range(node)] for node in (1, 2, 3)]
NB201 = dict(
    schema=1, space='nasbench201', cells=[dict(name='cell', inputs=1, nodes=CELL)]
)  # three convolutions on every node
MACRO = dict(
    schema=1,
    space='nasbench-macro',
    cells=[
        dict(
            name=f'stage{s}',
            inputs=1,
            nodes=[[dict(op='mbconv_5x5_e6', sources=[n])] for n in range(depth)],
        )
        for s, depth in enumerate((2, 3, 3), 1)
    ],
)
BACKBONES: dict[str, dict[str, Any]] = {
    'PPResNet': dict(depth=50, out_indices=(0, 1, 2, 3)),
    'PPResNetCIFAR': dict(depth=20),
    'DARTSNet': dict(arch='cdarts_cifar10', num_cells=8),
    'NASBench201Net': dict(arch=NB201, cells_per_stage=2),
    'ChainNet': dict(arch='cdarts_a'),
    'MobileNASNet': dict(arch='proxylessnas_gpu'),
    'NASBenchMacroNet': dict(arch=MACRO),
    'PPConvSuperNet': dict(depth=20),
    'DARTSSuperNet': dict(num_cells=8, init_channels=16),
    'NASBench201SuperNet': dict(),
    'ChainSuperNet': dict(variant='cifar'),
    'MobileSuperNet': dict(variant='cifar'),
    'NASBenchMacroSuperNet': dict(),
}
"""Every backbone in the registry, derived or super-net, with its arguments for the check."""
TINY: dict[str, dict[str, Any]] = {
    'DARTSNet': dict(num_cells=3, init_channels=4),
    'DARTSSuperNet': dict(num_cells=3, init_channels=4),
    'NASBench201SuperNet': dict(cells_per_stage=1, init_channels=4),
    'ChainSuperNet': dict(width=0.25),
    'MobileSuperNet': dict(width=0.25),
    'NASBenchMacroSuperNet': dict(width=0.25),
}
LARGE = ('PPResNet', 'ChainNet', 'MobileNASNet')
"""Backbones with images of 224 x 224; the others use 32 x 32."""
LIMITS = {'fp32': 5e-3, 'fp16': 2e-3, 'bf16': 2e-2}
"""Relative errors that are acceptable in any network."""
FACTOR, MOST = 4.0, 0.7
"""Also acceptable: this factor times the error from rounding images and weights on the CPU, up to
0.7, because a deep network of random weights multiplies every small error."""


def machine(device: str) -> Row:
    """Return versions and the device."""
    found: Row = dict(
        card=device_name(torch.device(device)),
        python=platform.python_version(),
        torch=torch.__version__,
        cuda=torch.version.cuda if device == 'cuda' else None,
        cudnn=torch.backends.cudnn.version() if device == 'cuda' else None,
        gib=None,
        cpus=os.cpu_count(),
        mmengine=mmengine.__version__,
        mmcv=mmcv.__version__,
        ppnas_mm=__version__,
    )
    if device == 'cuda':
        found['gib'] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
    return found


def error_of(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Return ``|found - expected| / |expected|`` over all maps, in double precision on the CPU."""
    one, two = (torch.cat([m.cpu().double().flatten() for m in maps]) for maps in (found, expected))
    return float((one - two).norm() / two.norm())


def by_rounding(net: nn.Module, x: Tensor, expected: Sequence[Tensor], kind: torch.dtype) -> float:
    """Return the error from rounding images and weights to a short type."""
    rounded: Any = copy.deepcopy(net)
    for parameter in rounded.parameters():
        parameter.copy_(parameter.to(kind).float())
    return error_of(rounded(x.to(kind).float()), expected)


@torch.no_grad()
def compare(name: str, options: Options) -> Iterator[Row]:
    """Yield a row for each number type: the error of the maps relative to the CPU."""
    torch.manual_seed(0)
    smaller = TINY.get(name, {}) if options.tiny else {}
    net = MODELS.build({'type': name, **BACKBONES[name], **smaller})
    # a CPU takes minutes for fp16
    types = {k: v for k, v in DTYPES.items() if k != 'fp16' or options.device == 'cuda'}
    side = 224 if name in LARGE and not options.tiny else 32
    for module in net.modules():
        if isinstance(module, _BatchNorm) and module.affine:
            module.weight.mul_(
                0.5
            )  # with weaker branches a residual network multiplies errors less
    x = torch.randn(8, 3, side, side)
    update_bn([x], net)  # otherwise the maps of a new network vanish in fp16
    x = x[:2]
    expected = net.eval()(x)
    limits = {
        dtype: max(LIMITS[dtype], min(MOST, FACTOR * by_rounding(net, x, expected, kind)))
        for dtype, kind in types.items()
    }
    net.to(options.device)
    for dtype, kind in types.items():
        with torch.autocast(options.device, kind, enabled=dtype != 'fp32'):
            found = net(x.to(options.device))
        error = error_of(found, expected)
        right = error <= limits[dtype]  # false for NaN
        yield dict(backbone=name, type=dtype, side=side, error=error, limit=limits[dtype], ok=right)


def rows(options: Options) -> Iterator[Row]:
    """Yield the machine, then the errors of every backbone."""
    yield machine(options.device)
    # TF32, torch's default for convolutions, has only the 10 bits of fp16
    torch.backends.cudnn.allow_tf32 = False
    for name in BACKBONES:
        yield from attempt({'backbone': name}, partial(compare, name, options))
