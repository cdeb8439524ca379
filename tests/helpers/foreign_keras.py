"""PP-ResNet and its baselines as Keras computes them, in plain loops.

Images are (N, H, W, C), kernels (H, W, in, out).  The forward pass makes the arrays it needs, under
the names of a TensorFlow checkpoint.
"""

from __future__ import annotations

import numpy as np
import torch
from plain import pool

W = 'layer_with_weights-'
END = '/.ATTRIBUTES/VARIABLE_VALUE'


class Keras:
    """``genotype``: four words a stage such as '14S': sources (from 1), S identity, C conv.

    Or one word a stage: 'resnet' or 'res2net'.
    """

    def __init__(self, genotype, depths, stem, base, imagenet, classes, seed=0):
        self.random = np.random.default_rng(seed)
        self.arrays: dict[str, np.ndarray] = {}
        self.genotype, self.depths, self.imagenet = genotype, depths, imagenet
        self.stem_channels, self.base, self.classes = stem, base, classes

    def array(self, name, *shape, around=0.0, scale=0.1):
        if name + END not in self.arrays:
            self.arrays[name + END] = around + scale * self.random.standard_normal(shape)
        return self.arrays[name + END]

    def conv(self, name, x, out, k, stride=1):
        scale = 0.5 / k / x.shape[3] ** 0.5
        kernel = self.array(f'{name}/kernel', k, k, x.shape[3], out, scale=scale)
        x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
        height, width = (-(-(side - k + 1) // stride) for side in x.shape[1:3])
        return sum(
            x[:, i : i + height * stride : stride, j : j + width * stride : stride] @ kernel[i, j]
            for i in range(k)
            for j in range(k)
        )

    def norm(self, name, x):
        shape = x.shape[3:]
        mean, beta = (self.array(f'{name}/{n}', *shape) for n in ('moving_mean', 'beta'))
        names = ('moving_variance', 'gamma')
        var, gamma = (self.array(f'{name}/{n}', *shape, around=1.0) for n in names)
        return (x - mean) / np.sqrt(var + 1e-5) * gamma + beta

    def unit(self, name, x, out, k, stride=1, act=True):
        """Conv2d with norm: a sequence; a padded kernel is in a sequence of its own."""
        inner = f'{name}/{W}0/{W}0' if k > 1 else f'{name}/{W}0'
        y = self.norm(f'{name}/{W}1', self.conv(inner, x, out, k, stride))
        return np.maximum(y, 0) if act else y

    @staticmethod
    def pooled(x, kernel, reduce='mean'):
        y = pool(torch.from_numpy(x).permute(0, 3, 1, 2), kernel, reduce, early=kernel == 3)
        return y.permute(0, 2, 3, 1).numpy()

    def res2net(self, name, x, group, stride, start):
        """The stride is in the 3x3, the first group is pooled; start blocks add nothing."""
        first, *rest = np.split(x, 4, axis=3)
        outputs = [self.pooled(first, 3) if stride > 1 else first]
        for i, part in enumerate(rest):
            part = part + outputs[-1] if i and not start else part
            outputs.append(self.unit(f'{name}/convs/{i}', part, group, 3, stride))
        return np.concatenate(outputs, axis=3)

    def middle(self, name, y, group, stride, start, cell):
        """What is between the 1x1 convolutions of PP-ResNet."""
        y = self.pooled(y, 3) if stride > 1 else y
        states = np.split(y, 4, axis=3)
        if start:
            inner = f'{name}/{W}0/convs'
            groups = [self.unit(f'{inner}/{i}', s, group, 3) for i, s in enumerate(states[1:])]
            return np.concatenate([states[0], *groups], axis=3)
        for i, word in enumerate(cell):
            mean = sum(states[int(s) - 1] for s in word[:-1]) / len(word[:-1])
            if word[-1] == 'C':
                mean = self.unit(f'{name}/ops/{i}', mean, group, 3)
            states.append(mean)
        return np.concatenate(states[4:], axis=3)

    def block(self, name, x, planes, stride, cell):
        group = planes * 26 // 64
        start = stride > 1 or x.shape[3] != 4 * planes
        y = self.unit(f'{name}/conv1', x, planes if cell == 'resnet' else 4 * group, 1)
        conv2 = f'{name}/conv2'
        if cell == 'resnet':
            y = self.unit(conv2, y, planes, 3, stride)
        elif cell == 'res2net':
            y = self.res2net(conv2, y, group, stride, start)
        else:
            y = self.middle(conv2, y, group, stride, start, cell)
        y = self.conv(f'{name}/conv3', y, 4 * planes, 1)
        y = self.norm(f'{name}/bn3', y + self.array(f'{name}/conv3/bias', 4 * planes))
        if start:
            x = self.pooled(x, 2) if stride > 1 else x
            x = self.unit(f'{name}/shortcut/{W}0', x, 4 * planes, 1, act=False)
        return np.maximum(x + y, 0)

    def __call__(self, x):
        half = self.stem_channels // 2
        if self.imagenet:
            x = self.unit(f'stem/{W}0', x, half, 3, 2)
            x = self.unit(f'stem/{W}1', x, half, 3)
            x = self.pooled(self.unit(f'stem/{W}2', x, self.stem_channels, 3), 3, 'max')
        else:
            x = self.unit('stem', x, self.stem_channels, 3)
        for s, (depth, cell) in enumerate(zip(self.depths, self.genotype, strict=True)):
            for b in range(depth):
                stride = 2 if s and not b else 1
                x = self.block(f'layer{s + 1}/{W}{b}', x, self.base * 2**s, stride, cell)
        x = x.mean((1, 2))
        x = x @ self.array('fc/kernel', x.shape[1], self.classes)
        return x + self.array('fc/bias', self.classes)
