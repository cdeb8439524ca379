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


def norm(state: State, key: str, x: Tensor) -> Tensor:
    """Batch norm with its running statistics; without affine parameters where it has none."""
    mean, variance = (state[f'{key}.running_{n}'].reshape(1, -1, 1, 1) for n in ('mean', 'var'))
    x = (x - mean) / (variance + 1e-5).sqrt()
    if f'{key}.weight' in state:
        gamma, beta = (state[f'{key}.{n}'].reshape(1, -1, 1, 1) for n in ('weight', 'bias'))
        x = x * gamma + beta
    return x


def relu(x: Tensor) -> Tensor:
    """ReLU."""
    return x * (x > 0)


def same_conv(x: Tensor, weight: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """Convolution with "same" padding; depthwise where the weight says so."""
    groups = x.shape[1] // weight.shape[1]
    return conv2d(x, weight, None, stride, dilation * (weight.shape[-1] // 2), dilation, groups)


def conv(
    state: State, key: str, x: Tensor, stride: int = 1, dilation: int = 1, act: bool = True
) -> Tensor:
    """Convolution ("same" padding), batch norm with its running statistics, ReLU."""
    x = norm(state, f'{key}.bn', same_conv(x, state[f'{key}.conv.weight'], stride, dilation))
    return relu(x) if act else x


def window(x: Tensor, kernel: int, stride: int, reduce: str) -> Tensor:
    """Maximum or mean around every ``stride``-th pixel; what is outside of the image left out."""
    height, width = x.shape[-2:]
    out = x.new_zeros(*x.shape[:2], -(-height // stride), -(-width // stride))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            top, left = (max(stride * at - kernel // 2, 0) for at in (i, j))
            bottom, right = (stride * at + kernel // 2 + 1 for at in (i, j))
            part = x[:, :, top:bottom, left:right]
            out[:, :, i, j] = part.amax((2, 3)) if reduce == 'max' else part.mean((2, 3))
    return out


# -- operations: functions of (state, key, x, stride, dilation) ------------------------------------

Formula = Callable[[State, str, Tensor, int, int], Tensor]


def _depthwise(state: State, key: str, x: Tensor, stride: int, dilation: int) -> Tensor:
    x = conv(state, f'{key}.depthwise_conv', x, stride, dilation)
    return conv(state, f'{key}.pointwise_conv', x)


def _pool(reduce: str) -> Formula:
    """3x3 pool; a norm follows where the state has one."""

    def formula(state: State, key: str, x: Tensor, stride: int, dilation: int) -> Tensor:
        x = window(x, 3, stride, reduce)
        return norm(state, f'{key}.1', x) if f'{key}.1.running_mean' in state else x

    return formula


def _unit(state: State, key: str, x: Tensor, stride: int, dilation: int) -> Tensor:
    """DARTS' unit: ReLU, depthwise, pointwise, norm."""
    x = same_conv(relu(x), state[f'{key}.depthwise.weight'], stride, dilation)
    return norm(state, f'{key}.norm', same_conv(x, state[f'{key}.pointwise.weight']))


def _sep_conv(state: State, key: str, x: Tensor, stride: int, dilation: int) -> Tensor:
    return _unit(state, f'{key}.1', _unit(state, f'{key}.0', x, stride, dilation), 1, dilation)


def _dil_conv(state: State, key: str, x: Tensor, stride: int, dilation: int) -> Tensor:
    return _unit(state, f'{key}.0', x, stride, 2 * dilation)


def factorized_reduce(state: State, key: str, x: Tensor) -> Tensor:
    """ReLU, then at pixel (i, j) a matrix on pixel (2i, 2j) and one on (2i + 1, 2j + 1), norm."""
    x = relu(x)
    even, odd = (state[f'{key}.{name}.weight'][:, :, 0, 0] for name in ('even', 'odd'))
    height, width = x.shape[-2:]
    rows = []
    for i in range(0, height, 2):
        columns = []
        for j in range(0, width, 2):
            inside = i + 1 < height and j + 1 < width
            other = x[:, :, i + 1, j + 1] if inside else torch.zeros_like(x[:, :, i, j])
            columns.append(torch.cat([x[:, :, i, j] @ even.T, other @ odd.T], 1))
        rows.append(torch.stack(columns, -1))
    return norm(state, f'{key}.norm', torch.stack(rows, -2))


def _skip(state: State, key: str, x: Tensor, stride: int, dilation: int) -> Tensor:
    return x if stride == 1 else factorized_reduce(state, key, x)


def _none(state: State, key: str, x: Tensor, stride: int, dilation: int) -> Tensor:
    return 0 * x[:, :, ::stride, ::stride]


def conv_after_relu(
    state: State, key: str, x: Tensor, stride: int = 1, dilation: int = 1
) -> Tensor:
    """ReLU, convolution, norm."""
    return conv(state, key, relu(x), stride, dilation, act=False)


def _shortcut(state: State, key: str, x: Tensor, stride: int, dilation: int) -> Tensor:
    """The input, or where the resolution or the width changes a 1x1 convolution and a norm."""
    return x if f'{key}.conv.weight' not in state else conv(state, key, x, stride, dilation, False)


OPS: dict[str, Formula] = {
    'identity': lambda state, key, x, stride, dilation: x,
    'conv_1x1': conv,
    'conv_3x3': conv,
    'conv_5x5': conv,
    'dw_conv_3x3': _depthwise,
    'dw_conv_5x5': _depthwise,
    'dilated_conv_3x3': lambda state, key, x, s, dilation: conv(state, key, x, s, 2 * dilation),
    'none': _none,
    'skip_connect': _skip,
    'shortcut': _shortcut,
    'max_pool_3x3': _pool('max'),
    'avg_pool_3x3': _pool('mean'),
    'sep_conv_3x3': _sep_conv,
    'sep_conv_5x5': _sep_conv,
    'dil_conv_3x3': _dil_conv,
    'dil_conv_5x5': _dil_conv,
    'nor_conv_1x1': conv_after_relu,
    'nor_conv_3x3': conv_after_relu,
}
"""Formula of each operation."""


def average(tensors: Sequence[Tensor]) -> Tensor:
    """Plain mean, by a loop."""
    total = torch.zeros_like(tensors[0])
    for tensor in tensors:
        total = total + tensor
    return total / len(tensors)


def split_conv(
    state: State, key: str, x: Tensor, groups: int, dilation: int, stride: int = 1
) -> Tensor:
    """Start block: the first group passes (or is pooled), each other group has its own 3x3."""
    width = x.shape[1] // groups
    first = x[:, :width]
    outputs = [pool(first, 3, 'mean', early=True) if stride == 2 else first]
    for g in range(1, groups):
        part = x[:, g * width : (g + 1) * width]
        outputs.append(conv(state, f'{key}.convs.{g - 1}', part, stride, dilation))
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
        nodes.append(OPS[edge['op']](state, f'{key}.nodes.{j}', y, 1, dilation))
    return torch.cat(nodes[groups:], 1)


def middle(
    state: State,
    key: str,
    x: Tensor,
    block: str,
    cell: dict | None,
    start: bool,
    dilation: int,
    stride: int = 1,
) -> Tensor:
    """The middle convolution of a bottleneck of any block type."""
    if block in ('resnet', 'resnext'):
        return conv(state, key, x, stride, dilation)
    if start:
        return split_conv(state, key, x, cell['inputs'] if cell else 4, dilation, stride)
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
    stride_in: str = 'pool',
) -> list[Tensor]:
    """Feature maps of all stages; ``dilations`` holds one number a block.

    ``stride_in``: 'pool' before the 3x3, or 'conv3x3', the 3x3 itself.
    """
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
                shortcut = pool(x, 2, 'mean', early=False)
            if stride == 2 and stride_in == 'pool':
                y, stride = pool(y, 3, 'mean', early=True), 1
            rate = dilations[s][b] if dilations else 1
            cell = cells[s] if cells else None
            y = middle(state, f'{key}.conv2', y, block, cell, start, rate, stride)
            y = conv(state, f'{key}.conv3', y, act=False)
            if start:
                shortcut = conv(state, f'{key}.shortcut.1', shortcut, act=False)
            x = relu(y + shortcut)
        outputs.append(x)
    return outputs
