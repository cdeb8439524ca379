"""What the tests are driven by.

A new search space needs one line in :data:`SPACES`, a new backbone one in :data:`BACKBONES`; new
architectures, operations and algorithms are found in the package's own tables.
"""

import inspect
from typing import Any

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ppnas_mm.algorithms import SearchAlgorithm
from ppnas_mm.backbones.base import Backbone
from ppnas_mm.backbones.plugged import PluggedBackbone
from ppnas_mm.backbones.pp_resnet import MacroResNet
from ppnas_mm.genotype import SPACE_RULES
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import SuperNet

SPACES: dict[str, dict[str, Any]] = {
    'ppconv': {
        'type': 'ppnas_mm.PPConvSuperNet',
        'macro': 'cifar',
        'depth': 20,
        'stem_channels': 8,
        'base_channels': 8,
        'ops': tuple(sorted(SPACE_RULES['ppconv'].ops)),
    },
    'darts': {
        'type': 'ppnas_mm.DARTSSuperNet',
        'num_cells': 3,
        'init_channels': 4,
        'ops': (*sorted(SPACE_RULES['darts'].ops), 'none'),
    },
    'nasbench201': {
        'type': 'ppnas_mm.NASBench201SuperNet',
        'cells_per_stage': 1,
        'init_channels': 4,
        'ops': tuple(sorted(SPACE_RULES['nasbench201'].ops)),
    },
    'chain': {
        'type': 'ppnas_mm.ChainSuperNet',
        'variant': 'cifar',
        'width': 0.5,
        'depths': (1, 2, 1, 1, 1),
        'last_channels': 24,
    },
    'mobile': {
        'type': 'ppnas_mm.MobileSuperNet',
        'variant': 'cifar',
        'width': 0.5,
        'depths': (1, 2, 1, 1, 1, 1),
        'last_channels': 24,
        'ops': tuple(sorted(SPACE_RULES['mobile'].ops)),
    },
    'nasbench-macro': {
        'type': 'ppnas_mm.NASBenchMacroSuperNet',
        'width': 0.25,
        'last_channels': 24,
    },
}
"""A super-net of each space, as small as it can be, with every candidate operation."""

BACKBONES: dict[str, dict[str, Any]] = {
    'ChainNet': {'arch': 'cdarts_a', 'variant': 'cifar', 'width': 0.25, 'last_channels': 24},
    'MobileNASNet': {
        'arch': 'proxylessnas_gpu',
        'variant': 'cifar',
        'width': 0.25,
        'last_channels': 24,
    },
    'PPResNet': {'depth': 50, 'stem_channels': 8, 'base_channels': 8},
    'PPResNetCIFAR': {'depth': 20, 'stem_channels': 8, 'base_channels': 8},
    'DARTSNet': {'arch': 'cdarts_cifar10', 'num_cells': 3, 'init_channels': 4},
    'NASBenchMacroNet': {
        'arch': {
            'schema': 1,
            'space': 'nasbench-macro',
            'cells': [
                {
                    'name': name,
                    'inputs': 1,
                    'nodes': [[{'op': op, 'sources': [i]}] for i, op in enumerate(ops)],
                }
                for name, ops in (
                    ('stage1', ('mbconv_3x3_e3', 'shortcut')),
                    ('stage2', ('shortcut', 'mbconv_5x5_e6', 'mbconv_3x3_e3')),
                    ('stage3', ('mbconv_5x5_e6', 'mbconv_3x3_e3', 'mbconv_5x5_e6')),
                )
            ],
        },
        'width': 0.25,
        'last_channels': 24,
    },
    'NASBench201Net': {
        'arch': {
            'schema': 1,
            'space': 'nasbench201',
            'cells': [
                {
                    'name': 'cell',
                    'inputs': 1,
                    'nodes': [
                        [{'op': 'nor_conv_3x3', 'sources': [i]} for i in range(node)]
                        for node in (1, 2, 3)
                    ],
                }
            ],
        },
        'cells_per_stage': 1,
        'init_channels': 4,
    },
}
"""Small arguments of each derived backbone."""


def registered(parent: type) -> dict[str, type]:
    """Classes of the package's registry that derive from ``parent``, by name."""
    MODELS.import_from_location()
    classes = {n: c for n, c in MODELS.module_dict.items() if inspect.isclass(c)}
    return {n: c for n, c in classes.items() if issubclass(c, parent) and c is not parent}


def derived_backbones() -> list[str]:
    """Names of the registered backbones that are no super-nets.

    Stages, freezing and recomputing of a plugged one are its library's (``test_plugged.py``).
    """
    others = (SuperNet, PluggedBackbone)
    return sorted(n for n, c in registered(Backbone).items() if not issubclass(c, others))


def algorithms() -> list[str]:
    """Names of the registered search algorithms."""
    return sorted(registered(SearchAlgorithm))


NETWORKS: dict[str, dict[str, Any]] = {
    **{f'ppnas_mm.{name}': config for name, config in BACKBONES.items()},
    **{
        config['type']: {k: v for k, v in config.items() if k != 'type'}
        for config in SPACES.values()
    },
}
"""Everything that stands where a backbone stands."""

RESNETS = [name for name in NETWORKS if issubclass(MODELS.get(name), MacroResNet)]
"""Those around the blocks of a ResNet."""


def build_network(name: str, seed: int = 0, **overrides: Any) -> Any:
    """Build a network of :data:`NETWORKS`."""
    torch.manual_seed(seed)
    return MODELS.build(ConfigDict(type=name, **{**NETWORKS[name], **overrides}))


def build_super_net(space: str, seed: int = 0, **overrides: Any) -> Any:
    """Build the tiny super-net of a space: scrambled, in evaluation mode."""
    torch.manual_seed(seed)
    net = MODELS.build({**SPACES[space], **overrides})
    return scramble(net, seed).eval()


def scramble(net: nn.Module, seed: int = 0) -> nn.Module:
    """Give norms random affine parameters and statistics, so that none is close to the identity."""
    generator = torch.Generator().manual_seed(seed)

    def draw(like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                if module.affine:
                    module.weight.copy_(draw(module.weight, 0.5, 1.5))
                    module.bias.copy_(draw(module.bias, -0.5, 0.5))
                if module.running_mean is not None:
                    module.running_mean.copy_(draw(module.running_mean, -0.5, 0.5))
                    module.running_var.copy_(draw(module.running_var, 0.5, 1.5))
    return net


def images(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random images ``(N, 3, H, W)``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=dtype)


class _Convolutions(TorchDispatchMode):
    """Counts convolutions and their multiplications, however they are called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.multiplications = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        if function is torch.ops.aten.convolution.default:
            self.calls += 1
            self.multiplications += out.numel() * args[1][0].numel()
        return out


def count_convolutions(net: nn.Module, x: Tensor) -> int:
    """Number of convolutions that a forward pass computes; merged ones count as one."""
    with torch.no_grad(), _Convolutions() as counter:
        net(x)
    return counter.calls


def count_multiplications(net: nn.Module, x: Tensor) -> int:
    """Number of multiplications in the convolutions of a forward pass, merged or not."""
    with torch.no_grad(), _Convolutions() as counter:
        net(x)
    return counter.multiplications
