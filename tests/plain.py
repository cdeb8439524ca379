"""Slow, plain formulas that the package is held against.

Nothing of the package is imported: these read a state dict and a genotype's JSON, and compute in
float64 with loops.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d

State = dict[str, Tensor]


def double_state(module: Any) -> State:
    """State dict of a module in float64."""
    return {k: v.double() if v.is_floating_point() else v for k, v in module.state_dict().items()}


def pool(x: Tensor, kernel: int, reduce: str, early: bool) -> Tensor:
    """TensorFlow's "same" pooling with stride 2, window by window; padding never counts.

    ``early``: an odd pixel of padding goes before the image (as the authors trained, kernel 3);
    otherwise after it.
    """
    spans = []
    for size in x.shape[-2:]:
        outputs = math.ceil(size / 2)
        padding = max((outputs - 1) * 2 + kernel - size, 0)
        before = math.ceil(padding / 2) if early else padding // 2
        starts = [2 * i - before for i in range(outputs)]
        spans.append([(max(s, 0), min(s + kernel, size)) for s in starts])
    out = x.new_zeros(*x.shape[:2], len(spans[0]), len(spans[1]))
    for i, (top, bottom) in enumerate(spans[0]):
        for j, (left, right) in enumerate(spans[1]):
            window = x[:, :, top:bottom, left:right]
            out[:, :, i, j] = window.amax((2, 3)) if reduce == 'max' else window.mean((2, 3))
    return out


def conv(
    state: State, key: str, x: Tensor, stride: int = 1, dilation: int = 1, relu: bool = True
) -> Tensor:
    """Convolution ("same" padding), batch norm with its running statistics, ReLU."""
    weight = state[f'{key}.conv.weight']
    groups = x.shape[1] // weight.shape[1]
    padding = dilation * (weight.shape[-1] // 2)
    x = conv2d(x, weight, None, stride, padding, dilation, groups)
    mean, variance, gamma, beta = (
        state[f'{key}.bn.{name}'].reshape(1, -1, 1, 1)
        for name in ('running_mean', 'running_var', 'weight', 'bias')
    )
    x = (x - mean) / (variance + 1e-5).sqrt() * gamma + beta
    return x * (x > 0) if relu else x


def _separable(state: State, key: str, x: Tensor, dilation: int) -> Tensor:
    x = conv(state, f'{key}.depthwise_conv', x, dilation=dilation)
    return conv(state, f'{key}.pointwise_conv', x)


def _dilated(state: State, key: str, x: Tensor, dilation: int) -> Tensor:
    return conv(state, key, x, dilation=2 * dilation)


def _conv(state: State, key: str, x: Tensor, dilation: int) -> Tensor:
    return conv(state, key, x, dilation=dilation)


OPS: dict[str, tuple[int | None, Callable[[State, str, Tensor, int], Tensor]]] = {
    'identity': (None, lambda state, key, x, dilation: x),
    'conv_1x1': (1, _conv),
    'conv_3x3': (3, _conv),
    'conv_5x5': (5, _conv),
    'dw_conv_3x3': (3, _separable),
    'dw_conv_5x5': (5, _separable),
    'dilated_conv_3x3': (3, _dilated),
}
"""Kernel size and formula of each operation."""


def average(tensors: Sequence[Tensor]) -> Tensor:
    """Plain mean, by a loop."""
    total = torch.zeros_like(tensors[0])
    for tensor in tensors:
        total = total + tensor
    return total / len(tensors)


def split_conv(state: State, key: str, x: Tensor, groups: int, dilation: int) -> Tensor:
    """Start block: the first group passes, each other group has its own 3x3."""
    width = x.shape[1] // groups
    outputs = [x[:, :width]]
    for g in range(1, groups):
        part = x[:, g * width : (g + 1) * width]
        outputs.append(conv(state, f'{key}.convs.{g - 1}', part, dilation=dilation))
    return torch.cat(outputs, 1)


def res2_conv(state: State, key: str, x: Tensor, groups: int, dilation: int) -> Tensor:
    """Res2Net: from the third group on, the output before is added first."""
    width = x.shape[1] // groups
    outputs = [x[:, :width]]
    for g in range(1, groups):
        part = x[:, g * width : (g + 1) * width]
        if g > 1:
            part = part + outputs[g - 1]
        outputs.append(conv(state, f'{key}.convs.{g - 1}', part, dilation=dilation))
    return torch.cat(outputs, 1)


def pp_conv(state: State, key: str, x: Tensor, cell: dict, dilation: int) -> Tensor:
    """PPConv of a cell in its JSON form: each node's op on the mean of what it reads."""
    groups = cell['inputs']
    width = x.shape[1] // groups
    nodes = [x[:, g * width : (g + 1) * width] for g in range(groups)]
    for j, (edge,) in enumerate(cell['nodes']):
        y = average([nodes[i] for i in edge['sources']])
        nodes.append(OPS[edge['op']][1](state, f'{key}.nodes.{j}', y, dilation))
    return torch.cat(nodes[groups:], 1)


def middle(
    state: State, key: str, x: Tensor, block: str, cell: dict | None, start: bool, dilation: int
) -> Tensor:
    """The middle convolution of a bottleneck of any block type."""
    if block in ('resnet', 'resnext'):
        return conv(state, key, x, dilation=dilation)
    if start:
        return split_conv(state, key, x, cell['inputs'] if cell else 4, dilation)
    if block == 'res2net':
        return res2_conv(state, key, x, 4, dilation)
    assert cell is not None
    return pp_conv(state, key, x, cell, dilation)


def network(
    state: State,
    x: Tensor,
    depths: Sequence[int],
    imagenet: bool,
    block: str = 'ppconv',
    cells: Sequence[dict] | None = None,
    strides: Sequence[int] | None = None,
    dilations: Sequence[Sequence[int]] | None = None,
) -> list[Tensor]:
    """Feature maps of all stages; ``dilations`` holds one number a block."""
    if imagenet:
        x = conv(state, 'stem.0', x, stride=2)
        x = conv(state, 'stem.2', conv(state, 'stem.1', x))
        x = pool(x, 3, 'max', early=True)
    else:
        x = conv(state, 'stem.0', x)
    outputs = []
    for s, depth in enumerate(depths):
        for b in range(depth):
            key = f'layer{s + 1}.{b}'
            stride = 1 if b or not s else (strides[s] if strides else 2)
            start = b == 0
            y, shortcut = conv(state, f'{key}.conv1', x), x
            if stride == 2:
                y, shortcut = pool(y, 3, 'mean', early=True), pool(x, 2, 'mean', early=False)
            rate = dilations[s][b] if dilations else 1
            cell = cells[s] if cells else None
            y = middle(state, f'{key}.conv2', y, block, cell, start, rate)
            y = conv(state, f'{key}.conv3', y, relu=False)
            if start:
                shortcut = conv(state, f'{key}.shortcut.1', shortcut, relu=False)
            x = y + shortcut
            x = x * (x > 0)
        outputs.append(x)
    return outputs
