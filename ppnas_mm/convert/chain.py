"""Names of chains of MBConv blocks: the authors' CDARTS-a and -b, and ProxylessNAS.

Facts: microsoft/Cream, CDARTS/CDARTS_segmentation/train/cydas.py and builder.py (timm's names of
its time; the 1x1 layer before the classifier is a convolution there); mit-han-lab/proxylessnas
(a skipped block keeps its number).
"""

from __future__ import annotations

from torch import nn

from ..backbones.chain import Chain, DerivedChain
from ..layers.ops import MBConv
from .links import Links, Parts, backbone_of, inside, link_modules

ATTENTION = (('attention.reduce', 'se.conv_reduce'), ('attention.expand', 'se.conv_expand'))
TIMM: tuple[Parts, Parts] = (
    (
        ('depthwise.conv', 'conv_dw'),
        ('depthwise.bn', 'bn1'),
        *ATTENTION,
        ('project.conv', 'conv_pw'),
        ('project.bn', 'bn2'),
    ),
    (
        ('expand.conv', 'conv_pw'),
        ('expand.bn', 'bn1'),
        ('depthwise.conv', 'conv_dw'),
        ('depthwise.bn', 'bn2'),
        *ATTENTION,
        ('project.conv', 'conv_pwl'),
        ('project.bn', 'bn3'),
    ),
)
"""A block without and with an expansion."""
CLASSIFIERS = {
    'head.fc': 'classifier',
    'head.layers.0.fc': 'conv_head',
    'head.layers.1.fc': 'classifier',
}

LAYERS = (
    ('expand', 'inverted_bottleneck'),
    ('depthwise', 'depth_conv'),
    ('project', 'point_linear'),
)
PROXYLESS: Parts = tuple(
    (f'{ours}.{part}', f'mobile_inverted_conv.{theirs}.{part}')
    for ours, theirs in LAYERS
    for part in ('conv', 'bn')
)


def applies(model: nn.Module) -> bool:
    """Whether a network, or the backbone of a model, is a derived chain."""
    return isinstance(backbone_of(model)[1], DerivedChain)


def applies_proxyless(model: nn.Module) -> bool:
    """Whether it is one of the mobile space."""
    net = backbone_of(model)[1]
    return isinstance(net, DerivedChain) and net.space == 'mobile'


def _blocks(net: nn.Module) -> list[tuple[str, int, int, nn.Module]]:
    """Return path, stage, place and module of every block, the fixed one first."""
    chains = [(n, m) for n, m in net.named_modules() if isinstance(m, Chain)]
    searched = [
        (f'{name}.nodes.{b}', s, b, block)
        for s, (name, chain) in enumerate(chains, 1)
        for b, block in enumerate(chain.nodes)
    ]
    return [('stem.1', 0, 0, net.get_submodule('stem.1')), *searched]


def _last(net: nn.Module) -> str | None:
    """Return the path of the last 1x1 convolution, if there is one."""
    names = [n for n, m in net.named_children() if n.startswith('layer')]
    last = f'{names[-1]}.{len(net.get_submodule(names[-1])) - 1}'  # type: ignore[arg-type]
    return None if isinstance(net.get_submodule(last), Chain) else last


def links(model: nn.Module) -> Links:
    """Link every tensor to the names of the authors of CDARTS.

    Raises:
        FormatError: If a part has no counterpart there.
    """
    root, net = backbone_of(model)
    paths = {f'{root}stem.0.conv': 'conv_stem', f'{root}stem.0.bn': 'bn1'}
    blocks = _blocks(net)
    for path, stage, place, block in blocks:
        if isinstance(block, MBConv):
            parts = TIMM[not isinstance(block.expand, nn.Identity)]
            paths |= inside(root + path, f'blocks.{stage}.{place}', parts)
    last = _last(net)
    if last is not None:
        there = f'blocks.{blocks[-1][1] + 1}.0'
        paths |= inside(root + last, there, (('conv', 'conv'), ('bn', 'bn1')))
    stacked = {'head.layers.0.fc': 'pointwise'}
    return link_modules(model, paths | CLASSIFIERS, 'chain', stacked)


def links_proxyless(model: nn.Module) -> Links:
    """Link every tensor of a network of the mobile space to the names of ProxylessNAS.

    Raises:
        FormatError: If a part has no counterpart there.
    """
    root, net = backbone_of(model)
    unit: Parts = (('conv', 'conv'), ('bn', 'bn'))
    paths = inside(f'{root}stem.0', 'first_conv', unit)
    for number, (path, _, _, _) in enumerate(_blocks(net)):
        paths |= inside(root + path, f'blocks.{number}', PROXYLESS)
    last = _last(net)
    if last is not None:
        paths |= inside(root + last, 'feature_mix_layer', unit)
    return link_modules(model, paths | {'head.fc': 'classifier.linear'}, 'proxyless')
