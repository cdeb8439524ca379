"""The deployed form of a network: the same function with norms folded into convolutions.

:func:`deploy` walks the modules, innermost first.  It folds a batch norm into the convolution right
before it; a module that can do more has a method ``deployed()`` that returns its replacement.
Other parts stay (another norm, a norm after a pool, a convolution of another type).
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ..utils.compat import require
from .memory_layout import is_custom

require('mmcv')
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule  # noqa: E402


class DeployError(RuntimeError):
    """A deployed network was asked to train or to load training weights."""


def is_plain(conv: Any) -> bool:
    """Whether a module is a convolution whose weights can scale input and output."""
    return type(conv) is nn.Conv2d


def can_fold(conv: Any, norm: Any) -> bool:
    """Whether ``norm`` is a batch norm with running statistics that ``conv`` can absorb."""
    return is_plain(conv) and isinstance(norm, _BatchNorm) and norm.running_mean is not None


def fold(conv: Any, norm: Any, part: slice = slice(None)) -> None:
    """Fold the norm after a convolution into its weights and bias.

    ``part``: the channels of the norm that this convolution computes.
    """
    weight, bias = (None if v is None else v[part] for v in (norm.weight, norm.bias))
    mean, var = norm.running_mean[part], norm.running_var[part]
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, mean, var, norm.eps, weight, bias
    )


def input_conv(op: nn.Module) -> Any:
    """Return the first convolution of an operation, if it is plain."""
    if isinstance(op, DepthwiseSeparableConvModule):
        return input_conv(op.depthwise_conv)
    first = isinstance(op, ConvModule) and op.order[0] == 'conv'
    return op.conv if first and is_plain(op.conv) else None


def _fold_within(module: Any) -> None:
    if isinstance(module, ConvModule):
        after = module.order.index('norm') == module.order.index('conv') + 1
        if after and can_fold(module.conv, module.norm):
            fold(module.conv, module.norm)
            setattr(module, module.norm_name, nn.Identity())
    elif isinstance(module, nn.Sequential):
        for i in range(1, len(module)):
            if can_fold(module[i - 1], module[i]):
                fold(module[i - 1], module[i])
                module[i] = nn.Identity()


def fold_norms(module: nn.Module) -> nn.Module:
    """Fold the batch norms right after plain convolutions; nothing else changes.

    Like mmcv's ``fuse_conv_bn``, for comparison with :func:`deploy`.  In place, in evaluation mode,
    without gradients.
    """
    for inner in list(module.modules()):
        _fold_within(inner)
    return module


def deploy(module: nn.Module) -> nn.Module:
    """Return the deployed form of a module; do not use the module itself afterwards.

    It must be in evaluation mode; call it without gradients.
    """
    if is_custom(module):
        return module
    for name, child in module.named_children():
        setattr(module, name, deploy(child))
    _fold_within(module)
    hook: Any = getattr(module, 'deployed', None)
    return module if hook is None else hook()


def switch_to_deploy(model: nn.Module) -> nn.Module:
    """Switch every backbone of a model that has a deployed form; return the model."""
    module: Any
    for module in list(model.modules()):
        if hasattr(module, 'switch_to_deploy'):
            module.switch_to_deploy()
    return model
