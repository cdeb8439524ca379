"""Small networks under the names of other code bases, written from their published descriptions.

Plain torch, nothing of the package: what converted weights are held against.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import hardsigmoid

# as the authors publish them: edges ranked, not sorted (words: operation of the edges, then source)
OPS = dict(s3='sep_conv_3x3', s5='sep_conv_5x5', d3='dil_conv_3x3', d5='dil_conv_5x5')
OPS |= dict(mp='max_pool_3x3', ap='avg_pool_3x3', sk='skip_connect')
PUBLISHED = {
    'cdarts_cifar10': (
        's3 0 s3 1 s3 1 s3 2 s3 0 s3 1 sk 0 sk 2',
        's5 1 mp 0 d5 2 sk 0 s3 0 s5 1 s3 0 d5 2',
    ),
    'cdarts_imagenet': (
        's3 1 s3 0 s3 0 s5 2 s5 2 s3 1 s3 1 s5 4',
        's5 1 ap 0 mp 1 d5 2 s5 1 d5 2 s3 3 d3 4',
    ),
    'darts_v1': (
        's3 1 s3 0 sk 0 s3 1 sk 0 s3 1 s3 0 sk 2',
        'mp 0 mp 1 sk 2 mp 0 mp 0 sk 2 sk 2 ap 0',
    ),
    'darts_v2': (
        's3 0 s3 1 s3 0 s3 1 s3 1 sk 0 sk 0 d3 2',
        'mp 0 mp 1 sk 2 mp 1 mp 0 sk 2 sk 2 mp 1',
    ),
    'pdarts': (
        'sk 0 d3 1 sk 0 s3 1 s3 1 s3 3 s3 0 d5 4',
        'ap 0 s5 1 s3 0 d5 2 mp 0 d3 1 d3 1 d5 3',
    ),
    'pcdarts_cifar10': (
        's3 1 sk 0 s3 0 d3 1 s5 0 s3 1 ap 0 d3 1',
        's5 1 mp 0 s5 1 s5 2 s3 0 s3 3 s3 1 s3 2',
    ),
    'pcdarts_imagenet': (
        'sk 1 s3 0 s3 0 sk 1 s3 1 s3 3 s3 1 d5 4',
        's3 0 sk 1 d5 2 mp 1 s3 2 s3 1 s5 0 s3 3',
    ),
}


def gene(name):
    """The two cells of a published genotype: [(operation, source), ...]."""
    words = [cell.split() for cell in PUBLISHED[name]]
    return [[(OPS[w[i]], int(w[i + 1])) for i in range(0, 16, 2)] for w in words]


def bn(channels):
    return nn.BatchNorm2d(channels)


def conv(i, o, k, stride=1, dilation=1, groups=1, bias=False):
    return nn.Conv2d(i, o, k, stride, dilation * (k // 2), dilation, groups, bias)


def shake(net, seed=0):
    """Fill a network with random values, statistics of norms included; return it, float64, eval."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            scale = 0.5 / math.sqrt(max(1, tensor[0].numel())) if tensor.dim() > 1 else 0.1
            values = torch.randn(tensor.shape, generator=generator) * scale
            positive = name.endswith(('running_var', '.weight')) and tensor.dim() == 1
            tensor.copy_(values + 1 if positive else values)
    return net.double().eval()


class Op(nn.Module):
    """A sequence under an attribute, ``op`` in DARTS and ``net`` in CDARTS."""

    def __init__(self, attribute, *layers):
        super().__init__()
        self.attribute = attribute
        setattr(self, attribute, nn.Sequential(*layers))

    def forward(self, x):
        return getattr(self, self.attribute)(x)


class Reduce(nn.Module):
    """Half the resolution: even pixels and, one further, odd pixels."""

    def __init__(self, names, i, o):
        super().__init__()
        self.names = names
        for name in names:
            setattr(self, name, nn.Conv2d(i, o // 2, 1, 2, bias=False))
        self.bn = bn(o)

    def forward(self, x):
        x = x.relu()
        first, second = (getattr(self, name) for name in self.names)
        return self.bn(torch.cat([first(x), second(x[:, :, 1:, 1:])], 1))


class Cells:
    """Builds the modules of a cell as one of the two code bases names them."""

    def __init__(self, family):
        self.darts = family == 'darts'
        self.attribute = 'op' if self.darts else 'net'
        self.reduce = ('conv_1', 'conv_2') if self.darts else ('conv1', 'conv2')

    def before(self, i, o, halve):
        if halve:
            return Reduce(self.reduce, i, o)
        return Op(self.attribute, nn.ReLU(), conv(i, o, 1), bn(o))

    def unit(self, c, k, stride=1, dilation=1):
        return [nn.ReLU(), conv(c, c, k, stride, dilation, c), conv(c, c, 1), bn(c)]

    def op(self, name, c, stride):
        if name == 'skip_connect':
            return nn.Identity() if stride == 1 else Reduce(self.reduce, c, c)
        if name == 'max_pool_3x3':
            return nn.MaxPool2d(3, stride, 1)
        if name == 'avg_pool_3x3':
            return nn.AvgPool2d(3, stride, 1, count_include_pad=False)
        kind, k = name.split('_')[0], int(name[-1])
        if kind == 'dil':
            return Op(self.attribute, *self.unit(c, k, stride, 2))
        units = self.unit(c, k, stride), self.unit(c, k)
        if self.darts:
            return Op('op', *units[0], *units[1])
        return Op('net', *(Op('net', *layers) for layers in units))


class Cell(nn.Module):
    """``gene``: eight (operation, source), two a node."""

    def __init__(self, family, gene, before, c, halve, reduction):
        super().__init__()
        build = Cells(family)
        self.darts = build.darts
        self.sources = [source for _, source in gene]
        names = ('preprocess0', 'preprocess1') if self.darts else ('preproc0', 'preproc1')
        setattr(self, names[0], build.before(before[0], c, halve))
        setattr(self, names[1], build.before(before[1], c, False))
        self.names = names
        ops = [build.op(name, c, 2 if reduction and s < 2 else 1) for name, s in gene]
        if self.darts:
            self._ops = nn.ModuleList(ops)
        else:  # every operation but the identity is followed by a drop path
            same = nn.Identity
            ops = [o if isinstance(o, same) else nn.Sequential(o, same()) for o in ops]
            self.dag = nn.ModuleList(nn.ModuleList(ops[i : i + 2]) for i in range(0, 8, 2))

    def forward(self, a, b):
        states = [getattr(self, n)(x) for n, x in zip(self.names, (a, b), strict=True)]
        ops = self._ops if self.darts else [op for row in self.dag for op in row]
        for i in range(0, 8, 2):
            states.append(sum(ops[j](states[self.sources[j]]) for j in (i, i + 1)))
        return torch.cat(states[2:], 1)


class Auxiliary(nn.Module):
    def __init__(self, c, classes, imagenet):
        super().__init__()
        pool = nn.AvgPool2d(5, 2 if imagenet else 3, count_include_pad=False)
        layers = [nn.ReLU(), pool, conv(c, 128, 1), bn(128), nn.ReLU()]
        layers.append(nn.Conv2d(128, 768, 2, bias=False))
        self.features = nn.Sequential(*layers, *([] if imagenet else [bn(768)]), nn.ReLU())
        self.classifier = nn.Linear(768, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class DARTS(nn.Module):
    """The network of DARTS (``family='darts'``) or of CDARTS' retraining (``'cdarts'``)."""

    def __init__(self, family, gene, c, layers, classes, imagenet):
        super().__init__()
        self.darts = family == 'darts'
        self.imagenet = imagenet
        if imagenet:
            first = nn.Sequential(conv(3, c // 2, 3, 2), bn(c // 2), nn.ReLU())
            first.append(conv(c // 2, c, 3, 2)).append(bn(c))
            stems, width = [first, nn.Sequential(nn.ReLU(), conv(c, c, 3, 2), bn(c))], c
        else:
            stems, width = [nn.Sequential(conv(3, 3 * c, 3), bn(3 * c))], 3 * c
        stem_names = ('stem0', 'stem1') if imagenet else ('stem',)
        if self.darts:
            for name, stem in zip(stem_names, stems, strict=True):
                setattr(self, name, stem)
        else:
            self.feature_extractor = nn.ModuleList(stems)
        cells, before, halve = [], (width, width), imagenet
        for i in range(layers):
            reduction = i in (layers // 3, 2 * layers // 3)
            c *= 1 + reduction
            cells.append(Cell(family, gene[reduction], before, c, halve, reduction))
            before, halve = (before[1], 4 * c), reduction
            if i == 2 * layers // 3:
                tower = Auxiliary(4 * c, classes, imagenet)
        classifier = nn.Linear(4 * c, classes)
        if self.darts:
            self.cells, self.auxiliary_head = nn.ModuleList(cells), tower
            self.classifier = classifier
        else:
            cuts = [0, layers // 3 + 1, 2 * layers // 3 + 1, layers]
            stages = [cells[a:b] for a, b in pairwise(cuts)]
            self.nas_layers = nn.ModuleList(nn.ModuleList(stage) for stage in stages)
            self.aux_head, self.fc = tower, classifier

    def forward(self, x):
        if self.darts:
            stems = [self.stem0, self.stem1] if self.imagenet else [self.stem]
        else:
            stems = list(self.feature_extractor)
        a = stems[0](x)
        b = stems[1](a) if self.imagenet else a
        for cell in self.cells if self.darts else [c for s in self.nas_layers for c in s]:
            a, b = b, cell(a, b)
        return (self.classifier if self.darts else self.fc)(b.mean((2, 3)))


class Squeeze(nn.Module):
    def __init__(self, c, inner):
        super().__init__()
        self.conv_reduce = conv(c, inner, 1, bias=True)
        self.conv_expand = conv(inner, c, 1, bias=True)

    def forward(self, x):
        scale = self.conv_expand(self.conv_reduce(x.mean((2, 3), keepdim=True)).relu())
        return x * hardsigmoid(scale)


def eighths(value):
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 * (rounded < 0.9 * value)


class MB(nn.Module):
    """A block of timm: with ``expansion`` 1 a depthwise separable one."""

    def __init__(self, i, o, k, expansion, stride):
        super().__init__()
        inner = i if expansion == 1 else eighths(i * expansion)
        self.expands, self.residual = expansion > 1, stride == 1 and i == o
        if self.expands:
            self.conv_pw, self.bn1 = conv(i, inner, 1), bn(inner)
            self.conv_dw, self.bn2 = conv(inner, inner, k, stride, groups=inner), bn(inner)
            self.conv_pwl, self.bn3 = conv(inner, o, 1), bn(o)
        else:
            self.conv_dw, self.bn1 = conv(inner, inner, k, stride, groups=inner), bn(inner)
            self.conv_pw, self.bn2 = conv(inner, o, 1), bn(o)
        self.se = Squeeze(inner, eighths(inner / 4))

    def forward(self, x):
        act = nn.functional.silu
        if self.expands:
            y = act(self.bn2(self.conv_dw(act(self.bn1(self.conv_pw(x))))))
            y = self.bn3(self.conv_pwl(self.se(y)))
        else:
            y = self.bn2(self.conv_pw(self.se(act(self.bn1(self.conv_dw(x))))))
        return x + y if self.residual else y


class TimmChain(nn.Module):
    """``stages``: (channels, stride, [(kernel, expansion), ...]) each."""

    def __init__(self, stem, stages, last, features, classes):
        super().__init__()
        self.conv_stem, self.bn1 = conv(3, stem, 3, 2), bn(stem)
        blocks, c = [nn.Sequential(MB(stem, stem, 3, 1, 1))], stem
        for channels, stride, choices in stages:
            members = [
                MB(channels if b else c, channels, k, e, 1 if b else stride)
                for b, (k, e) in enumerate(choices)
            ]
            blocks.append(nn.Sequential(*members))
            c = channels
        end = nn.Module()
        end.conv, end.bn1 = conv(c, last, 1), bn(last)
        self.blocks = nn.ModuleList([*blocks, nn.ModuleList([end])])
        self.conv_head = conv(last, features, 1, bias=True)
        self.classifier = nn.Linear(features, classes)

    def forward(self, x):
        act = nn.functional.silu
        x = act(self.bn1(self.conv_stem(x)))
        for block in self.blocks[:-1]:
            x = block(x)
        end = self.blocks[-1][0]
        x = act(end.bn1(end.conv(x))).mean((2, 3), keepdim=True)
        return self.classifier(act(self.conv_head(x)).flatten(1))


def layer(i, o, k, stride=1, groups=1):
    net = nn.Module()
    net.conv, net.bn = conv(i, o, k, stride, groups=groups), bn(o)
    return net


class Proxyless(nn.Module):
    """``blocks``: (in, out, kernel, expansion, stride) each, ``None`` for a block left out."""

    def __init__(self, stem, blocks, last, classes):
        super().__init__()
        self.first_conv, self.blocks = layer(3, stem, 3, 2), nn.ModuleList()
        for numbers in blocks:
            block = nn.Module()
            block.mobile_inverted_conv = nn.Module()
            if numbers is not None:
                i, o, k, e, stride = numbers
                inner = i if e == 1 else eighths(i * e)
                if e > 1:
                    block.mobile_inverted_conv.inverted_bottleneck = layer(i, inner, 1)
                block.mobile_inverted_conv.depth_conv = layer(inner, inner, k, stride, inner)
                block.mobile_inverted_conv.point_linear = layer(inner, o, 1)
            block.residual = numbers is not None and stride == 1 and i == o
            self.blocks.append(block)
        self.feature_mix_layer = layer(blocks[-1][1], last, 1)
        self.classifier = nn.Module()
        self.classifier.linear = nn.Linear(last, classes)

    def forward(self, x):
        act = nn.functional.relu6
        x = act(self.first_conv.bn(self.first_conv.conv(x)))
        for block in self.blocks:
            y = x
            for name, inner in block.mobile_inverted_conv.named_children():
                y = inner.bn(inner.conv(y))
                y = y if name == 'point_linear' else act(y)
            x = x + y if block.residual else y
        x = act(self.feature_mix_layer.bn(self.feature_mix_layer.conv(x)))
        return self.classifier.linear(x.mean((2, 3)))
