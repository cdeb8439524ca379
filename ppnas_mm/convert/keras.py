"""Names of PP-ResNet and its baselines in the authors' Keras code, as its checkpoints list them.

Facts: sbl1996/hanser, models/layers.py, models/cifar/ppnas/resnet_avd_fair.py,
models/common/resnet_vd.py, models/common/res2net and models/imagenet/stem.py.
``layer_with_weights-N`` counts those members of a sequence that hold weights; it is ``N`` here, and
``/`` is ``.``.  A convolution with its norm is a sequence of two, and a 3x3 with its padding a
sequence inside of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..backbones.bottleneck import Bottleneck
from ..backbones.pp_resnet import PPResNet, PPResNetCIFAR
from .links import FormatError, Link, Links, backbone_of

NORM = {
    'weight': 'gamma',
    'bias': 'beta',
    'running_mean': 'moving_mean',
    'running_var': 'moving_variance',
}
PLACES = (
    (r'stem\.(\d+)', r'stem.\1'),
    (r'(layer\d+\.\d+\.conv1)', r'\1'),
    (r'(layer\d+\.\d+\.conv2)\.convs\.(\d+)', r'\1.0.convs.\2'),
    (r'(layer\d+\.\d+\.conv2)\.nodes\.(\d+)', r'\1.ops.\2'),
    (r'(layer\d+\.\d+\.shortcut)\.1', r'\1.0'),
)
"""Convolution with norm: here, there.  Only conv3 is not such a pair: conv3 and bn3."""
BASELINE_PLACES = (
    (r'(layer\d+\.\d+\.conv2)', r'\1'),
    (r'(layer\d+\.\d+\.conv2\.convs\.\d+)', r'\1'),
    *PLACES,
)
"""Those of ResNet and Res2Net, which have no pool before ``conv2`` there."""
TO_OURS = (
    (r'/\.ATTRIBUTES/VARIABLE_VALUE$', ''),
    (r':\d+$', ''),
    (r'layer_with_weights-(\d+)', r'\1'),
    (r'/', '.'),
)
TO_KERAS = (
    (r'\.', '/'),
    (r'(?<!/convs)(?<!/ops)/(\d+)(?=/)', r'/layer_with_weights-\1'),
    (r'$', '/.ATTRIBUTES/VARIABLE_VALUE'),
)
CLASSIFIERS = ('fc', 'fc_ckpt_ignored')
"""Of a training, and of the files that the authors released."""
FOLDED = 'conv3.bias'
"""The convolution before the last norm has a bias there; here the mean of the norm absorbs it."""


def rename(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    """Apply every rule (pattern, replacement) to a name, in order."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def applies(model: nn.Module) -> bool:
    """Whether a network, or the backbone of a model, is one that the authors have, too.

    Their ResNet and Res2Net have the stride in the 3x3; with a pool instead, the tensors would have
    the same shapes and compute something else.
    """
    net = backbone_of(model)[1]
    if not isinstance(net, (PPResNet, PPResNetCIFAR)):
        return False
    if net.genotype is not None:
        return net.stride_in == 'pool'
    imagenet = not isinstance(net, PPResNetCIFAR)
    return imagenet and net.block in ('resnet', 'res2net') and net.stride_in == 'conv3x3'


def _place(module: str, net: PPResNet) -> tuple[tuple[str, ...], str]:
    """Return the paths that the convolution may have there, and that of its norm."""
    if match := re.fullmatch(r'(layer\d+\.\d+)\.conv3', module):
        return (f'{match[1]}.conv3',), f'{match[1]}.bn3'
    for pattern, place in BASELINE_PLACES if net.genotype is None else PLACES:
        if match := re.fullmatch(pattern, module):
            single = len(net.stem) == 1 and module == 'stem.0'
            outer = 'stem' if single else match.expand(place)
            return (f'{outer}.0.0', f'{outer}.0'), f'{outer}.1'
    raise FormatError(f"format 'keras-npz' has no name for {module!r}")


def links(model: nn.Module) -> Links:
    """Link every tensor of a PP-ResNet or baseline, or a classifier of one.

    Raises:
        FormatError: If a part has no counterpart there.
    """
    root, net = backbone_of(model)
    assert isinstance(net, PPResNet)  # see applies
    modules = dict(model.named_modules())
    result = {}
    for key in model.state_dict():
        module, _, name = key.rpartition('.')
        if module == 'head.fc':
            layout = 'dense' if name == 'weight' else 'same'
            there = 'kernel' if name == 'weight' else name
            result[key] = Link(tuple(f'{fc}.{there}' for fc in CLASSIFIERS), layout)
            continue
        outer = module[len(root) :].rpartition('.')[0]
        if not module.startswith(root) or not outer:
            raise FormatError(f"format 'keras-npz' has no name for {key!r}")
        convs, norm = _place(outer, net)
        if isinstance(modules[module], _BatchNorm):
            result[key] = Link((f'{norm}.{NORM.get(name, name)}',))
        else:
            kernel: nn.Module = modules[module]
            padded = getattr(kernel, 'kernel_size', (1,))[0] > 1
            names = tuple(f'{c}.kernel' for c in (convs if padded else convs[::-1]))
            result[key] = Link(names, 'hwio')
    return result


def fold(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Subtract the bias of every ``conv3`` from the mean of the next norm (with their names).

    A norm subtracts its mean: (x + b) - m = x - (m - b).
    """
    kept = {k: v for k, v in state.items() if not k.endswith(FOLDED)}
    for key in state.keys() - kept.keys():
        mean = key[: -len(FOLDED)] + 'bn3.moving_mean'
        if mean in kept:
            kept[mean] = kept[mean] - state[key]
        else:
            kept[key] = state[key]  # of another network: reported as left over
    return kept


def unfold(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Add the bias that every ``conv3`` has there: zeros (with their names)."""
    net = backbone_of(model)[1]
    blocks = [n for n, m in net.named_modules() if isinstance(m, Bottleneck)]
    means = {f'{b}.{FOLDED}': state[f'{b}.bn3.moving_mean'] for b in blocks}
    return {**state, **{key: mean.new_zeros(mean.shape) for key, mean in means.items()}}
