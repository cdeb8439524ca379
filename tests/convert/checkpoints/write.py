"""Writes the small checkpoints of this folder, and what TensorFlow itself reads from them.

Run it where TensorFlow is installed (``pip install tensorflow-cpu``): ``python write.py FOLDER``.
The files here were written by TensorFlow 2.21.0.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

TYPES = (
    *('float32', 'float64', 'float16', 'bfloat16', 'bool', 'complex64', 'complex128'),
    *('int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'),
)


def values(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> tf.Tensor:
    """Random numbers of a type, negative ones too where it has them."""
    numbers = random.normal(size=shape) * 60
    if name.startswith('uint') or name == 'bool':
        numbers = np.abs(numbers) > 30 if name == 'bool' else np.abs(numbers)
    if name.startswith('complex'):
        numbers = numbers + 1j * random.normal(size=shape)
    return tf.cast(tf.constant(numbers), name)


def objects(folder: Path, random: np.random.Generator) -> None:
    """A checkpoint of objects, as a training writes it."""
    root = tf.Module()
    root.kernel = tf.Variable(values(random, 'float32', (3, 3, 2, 5)))
    root.inner = tf.Module()
    root.inner.scale = tf.Variable(values(random, 'bfloat16', (7,)))
    root.inner.words = tf.Variable([['', 'a'], ['long ' * 40, 'äöü']])
    root.empty = tf.Variable(tf.zeros((0, 4)))
    root.step = tf.Variable(tf.constant(12345678901, tf.int64))
    tf.train.Checkpoint(model=root).write(str(folder / 'objects'))


def types(folder: Path, random: np.random.Generator) -> None:
    """Every type, in two data files; enough names for several blocks of the index."""
    names = [f'{name}/{i}' for name in TYPES for i in range(12)]
    shapes = [(), (1,), (5,), (2, 3), (4, 1, 2), (3, 3)]
    tensors = [
        values(random, name.split('/')[0], shapes[i % len(shapes)]) for i, name in enumerate(names)
    ]
    parts = []
    for k in range(2):
        part = tf.raw_ops.ShardedFilename(basename=str(folder / 'types'), shard=k, num_shards=2)
        parts.append(part)
        tf.raw_ops.SaveV2(
            prefix=part,
            tensor_names=names[k::2],
            shape_and_slices=[''] * len(names[k::2]),
            tensors=tensors[k::2],
        )
    prefix = str(folder / 'types')
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix)


def sliced(folder: Path) -> None:
    """A variable in two slices, which the reader refuses."""
    tf.raw_ops.SaveV2(
        prefix=str(folder / 'sliced'),
        tensor_names=['halves', 'halves'],
        shape_and_slices=['4 2 0,2:-', '4 2 2,2:-'],
        tensors=[tf.zeros((2, 2)), tf.ones((2, 2))],
    )


def main(folder: Path) -> None:
    """Write the checkpoints, a zip, and ``expected.npz``."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    objects(folder, random)
    types(folder, random)
    sliced(folder)
    expected = {}
    for name in ('objects', 'types'):
        reader = tf.train.load_checkpoint(str(folder / name))
        for key in reader.get_variable_to_shape_map():
            value = np.asarray(reader.get_tensor(key))
            if value.dtype.kind in 'OS':  # strings; TensorFlow returns a single one as bytes
                value = np.asarray(reader.get_tensor(key), object)
                value = np.array([x.hex() for x in value.ravel()]).reshape(value.shape)
            elif value.dtype.name == 'bfloat16':
                value = value.astype(np.float32)
            expected[f'{name}:{key}'] = value
    np.savez_compressed(folder / 'expected.npz', **expected)
    with zipfile.ZipFile(folder / 'objects.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        for file in [*sorted(folder.glob('objects.*-*')), folder / 'objects.index']:
            archive.write(file, f'inner/{file.name}')


if __name__ == '__main__':
    main(Path(sys.argv[1]))
