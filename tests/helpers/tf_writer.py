"""Writes checkpoints of TensorFlow 2 without it: small and hostile ones.

``tests/convert/test_tf_bundle.py`` lets TensorFlow read what this writes, where it is installed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ppnas_mm.utils.crc32c import crc32c, masked

MAGIC = bytes.fromhex('57fb808b247547db')
NUMBERS = {'float32': 1, 'float64': 2, 'int32': 3, 'uint8': 4, 'int64': 9}


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: Any) -> bytes:
    """A field of a protocol buffer: a number, or bytes."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def header(shards: int = 1, **more: bytes) -> bytes:
    return field(1, shards) + field(3, field(1, 1)) + more.get('more', b'')


def entry(array: np.ndarray, offset: int, **changes: Any) -> bytes:
    """What the index says of a tensor."""
    facts = dict(
        dtype=NUMBERS.get(array.dtype.name, 1),
        shape=array.shape,
        shard=0,
        offset=offset,
        size=array.nbytes,
        crc=masked(crc32c(np.ascontiguousarray(array).tobytes())),
        more=b'',
    )
    facts |= changes
    axes = b''.join(field(2, field(1, n)) for n in facts['shape'])
    numbers = [(3, facts['shard']), (4, facts['offset']), (5, facts['size'])]
    message = field(1, facts['dtype']) + field(2, axes)
    message += b''.join(field(n, v) for n, v in numbers if v)
    return message + varint(6 << 3 | 5) + facts['crc'].to_bytes(4, 'little') + facts['more']


def block(pairs: list[tuple[bytes, bytes]], kind: int = 0) -> bytes:
    """A block of a table with its trailer; keys share their beginnings."""
    data, before = b'', b''
    for key, value in pairs:
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        rest = key[shared:]
        data += varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
        before = key
    data += bytes(4) + (1).to_bytes(4, 'little') + bytes([kind])
    return data + masked(crc32c(data)).to_bytes(4, 'little')


def table(pairs: list[tuple[bytes, bytes]], most: int = 40, kind: int = 0) -> bytes:
    """A table of blocks with at most so many entries."""
    content, handles = b'', []
    for i in range(0, len(pairs), most):
        data = block(pairs[i : i + most], kind)
        handle = varint(len(content)) + varint(len(data) - 5)
        handles.append((pairs[min(i + most, len(pairs)) - 1][0], handle))
        content += data
    places = []
    for part in ([], handles):
        data = block(part)
        places.append(varint(len(content)) + varint(len(data) - 5))
        content += data
    return content + b''.join(places).ljust(40, b'\0') + MAGIC


def bundle(tensors: Mapping[str, np.ndarray], most: int = 40) -> tuple[bytes, bytes]:
    """Return the index and the data file of a checkpoint."""
    pairs, data = [(b'', header())], b''
    for name in sorted(tensors, key=str.encode):
        array = np.ascontiguousarray(tensors[name])
        pairs.append((name.encode(), entry(array, len(data))))
        data += array.tobytes()
    return table(pairs, most), data


def write(prefix: Path, index: bytes, data: bytes) -> Path:
    """Write both files."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    Path(f'{prefix}.index').write_bytes(index)
    Path(f'{prefix}.data-00000-of-00001').write_bytes(data)
    return prefix


def write_zip(path: Path, index: bytes, data: bytes, name: str = 'model') -> Path:
    """Write a release: a zip of both files."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f'{name}.index'), index, zipfile.ZIP_DEFLATED)
        place = zipfile.ZipInfo(f'{name}.data-00000-of-00001')
        archive.writestr(place, data, zipfile.ZIP_DEFLATED)
    return path
