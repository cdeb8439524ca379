"""Makes a zip like those that the authors of PP-NAS released, with random values, by TensorFlow.

``python tf_release.py KIND OUT.zip [CHANNELS]`` (``pip install tensorflow-cpu``) also writes
``OUT.zip.npz``: images and the logits that these plain TensorFlow operations compute.  Names and
networks are written from the facts of sbl1996/hanser (models/utils.py, layers.py, pooling.py,
cifar/ppnas/resnet_avd_fair.py, common/resnet_vd.py, common/res2net): a released checkpoint has one
plain node for each part of a name, and its classifier is ``fc_ckpt_ignored``.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

FIRST = ('24S 13C 6C 67C', '34S 12C 6C 7C', '23S 14C 6C 7C', '12S 34C 6C 347C')
SECOND = ('23S 14C 6C 67C', '134S 12C 6C 7C', '124S 234C 6C 7C', '1S 23C 6C 47C')
KINDS = {'first': FIRST, 'second': SECOND, 'resnet': None, 'res2net': None}
"""Genotypes: four words a stage, sources (from 1), then S for the identity or C for a 3x3."""
W = 'layer_with_weights-'
SIZES = ((1, 224, 224), (2, 97, 130))


class Net:
    """A network that makes its values when it first runs; ``values`` are they by name."""

    def __init__(self, kind: str, channels: int = 64, classes: int = 1000, seed: int = 0) -> None:
        self.kind, self.genotype = kind, KINDS[kind]
        self.channels, self.classes = channels, classes
        self.random = np.random.default_rng(seed)
        self.values: dict[str, tf.Variable] = {}

    def value(self, name: str, shape: tuple[int, ...], around: float, scale: float) -> tf.Variable:
        if name not in self.values:
            numbers = around + scale * self.random.standard_normal(shape)
            self.values[name] = tf.Variable(numbers.astype(np.float32))
        return self.values[name]

    def conv(self, name: str, x: tf.Tensor, out: int, k: int, stride: int = 1) -> tf.Tensor:
        """A convolution with zeros on all sides."""
        shape = (k, k, x.shape[3], out)
        kernel = self.value(f'{name}/kernel', shape, 0, (2 / (k * k * x.shape[3])) ** 0.5)
        x = tf.pad(x, [[0, 0], [k // 2, k // 2], [k // 2, k // 2], [0, 0]])
        return tf.nn.conv2d(x, kernel, stride, 'VALID')

    def norm(self, name: str, x: tf.Tensor, gain: float = 1.0) -> tf.Tensor:
        facts = {'moving_mean': (0, 0.1), 'moving_variance': (1, 0.1), 'beta': (0, 0.1)}
        facts['gamma'] = (gain, 0.1 * gain)
        mean, variance, beta, gamma = (
            self.value(f'{name}/{key}', (x.shape[3],), *how) for key, how in facts.items()
        )
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5)

    def unit(
        self, name: str, x: tf.Tensor, out: int, k: int, stride: int = 1, act: bool = True
    ) -> tf.Tensor:
        """Convolution and norm are a sequence; a 3x3 is in one of its own, with its padding."""
        inner = f'{name}/{W}0/{W}0' if k > 1 else f'{name}/{W}0'
        x = self.norm(f'{name}/{W}1', self.conv(inner, x, out, k, stride))
        return tf.nn.relu(x) if act else x

    @staticmethod
    def pool(x: tf.Tensor, k: int, kind: str = 'AVG') -> tf.Tensor:
        """Of a 3x3 the odd padding is before the image: the images are reversed."""
        x = tf.reverse(x, [1, 2]) if k == 3 else x
        x = tf.nn.pool(x, [k, k], kind, strides=[2, 2], padding='SAME')
        return tf.reverse(x, [1, 2]) if k == 3 else x

    def res2conv(self, name: str, x: tf.Tensor, stride: int, start: bool) -> tf.Tensor:
        first, *others = tf.split(x, 4, 3)
        outs = [self.pool(first, 3) if stride == 2 else first]
        for i, group in enumerate(others):
            if not start and i:
                group = group + outs[-1]
            outs.append(self.unit(f'{name}/convs/{i}', group, group.shape[3], 3, stride))
        return tf.concat(outs, 3)

    def ppconv(self, name: str, x: tf.Tensor, words: str) -> tf.Tensor:
        states = tf.split(x, 4, 3)
        for i, word in enumerate(words.split()):
            y = tf.add_n([states[int(s) - 1] for s in word[:-1]]) / len(word[:-1])
            if word[-1] == 'C':
                y = self.unit(f'{name}/ops/{i}', y, y.shape[3], 3)
            states.append(y)
        return tf.concat(states[4:], 3)

    def middle(self, name: str, x: tf.Tensor, stage: int, stride: int, start: bool) -> tf.Tensor:
        if self.kind == 'resnet':
            return self.unit(name, x, x.shape[3], 3, stride)
        if self.kind == 'res2net':
            return self.res2conv(name, x, stride, start)
        if start:  # a sequence, with the pool before it
            x = self.pool(x, 3) if stride == 2 else x
            return self.res2conv(f'{name}/{W}0', x, 1, True)
        return self.ppconv(name, x, self.genotype[stage])

    def block(self, name: str, x: tf.Tensor, stage: int, first: bool) -> tf.Tensor:
        planes, stride = self.channels * 2**stage, 2 if first and stage else 1
        width = planes if self.kind == 'resnet' else planes * 26 // 64 * 4
        y = self.unit(f'{name}/conv1', x, width, 1)
        y = self.middle(f'{name}/conv2', y, stage, stride, first)
        y = self.conv(f'{name}/conv3', y, 4 * planes, 1)
        y = y + self.value(f'{name}/conv3/bias', (4 * planes,), 0, 0.1)
        y = self.norm(f'{name}/bn3', y, 0.3)
        if first:
            x = self.pool(x, 2) if stride == 2 else x
            x = self.unit(f'{name}/shortcut/{W}0', x, 4 * planes, 1, act=False)
        return tf.nn.relu(x + y)

    def __call__(self, images: np.ndarray) -> tf.Tensor:
        """Return the logits of images (N, H, W, 3)."""
        x, half = tf.constant(images), self.channels // 2
        x = self.unit(f'stem/{W}0', x, half, 3, 2)
        x = self.unit(f'stem/{W}1', x, half, 3)
        x = self.pool(self.unit(f'stem/{W}2', x, self.channels, 3), 3, 'MAX')
        for stage, depth in enumerate((3, 4, 6, 3)):
            for i in range(depth):
                x = self.block(f'layer{stage + 1}/{W}{i}', x, stage, i == 0)
        x = tf.reduce_mean(x, [1, 2])
        kernel = self.value('fc_ckpt_ignored/kernel', (x.shape[1], self.classes), 0, 0.05)
        return x @ kernel + self.value('fc_ckpt_ignored/bias', (self.classes,), 0, 0.1)


def tree(values: dict[str, tf.Variable]) -> tf.Module:
    """One plain node for each part of a name."""
    root = tf.Module()
    for name, value in values.items():
        node, *parts = root, *name.split('/')
        for part in parts[:-1]:
            if not hasattr(node, part):
                setattr(node, part, tf.Module())
            node = getattr(node, part)
        setattr(node, parts[-1], value)
    return root


def main(kind: str, out: Path, channels: int = 64) -> None:
    """Write the zip, and images with their logits."""
    net, random = Net(kind, channels), np.random.default_rng(1)
    recorded = {}
    for i, (n, height, width) in enumerate(SIZES):
        images = random.standard_normal((n, height, width, 3)).astype(np.float32)
        recorded |= {f'images{i}': images, f'logits{i}': net(images).numpy()}
    with tempfile.TemporaryDirectory() as folder:
        tf.train.Checkpoint(model=tree(net.values)).write(f'{folder}/model')
        with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(Path(folder).glob('model.*')):
                archive.write(file, file.name)
    np.savez(f'{out}.npz', **recorded)


if __name__ == '__main__':
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
