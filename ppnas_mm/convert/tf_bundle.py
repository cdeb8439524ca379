"""Reads TensorFlow 2 checkpoints without TensorFlow, from a folder or straight from a zip.

Facts: tensorflow/core/util/tensor_bundle and tensorflow/core/protobuf/tensor_bundle.proto.
``NAME.index`` is a table from each tensor's name to its type, shape, place and checksum;
``NAME.data-00000-of-00001`` and so on are the bytes of all tensors.  Nothing is unpacked to disk,
and no more bytes are read than the index names.
"""

from __future__ import annotations

import contextlib
import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from ..utils.crc32c import crc32c, masked
from ..weights.checkpoint import CheckpointError
from .tf_table import TableError, message, piece, read_table, varint

INDEX = '.index'
MOST_INDEX_BYTES = 1 << 26
MOST_BYTES = 1 << 33
"""Of all tensors of a checkpoint; a small zip can claim far more than a machine has."""
MOST_AXES = 32
STRING, BOOL, BFLOAT16 = 7, 10, 14
TYPES = {
    1: 'float32', 2: 'float64', 3: 'int32', 4: 'uint8', 5: 'int16', 6: 'int8', 8: 'complex64',
    9: 'int64', BOOL: 'bool', BFLOAT16: 'uint16', 17: 'uint16', 18: 'complex128', 19: 'float16',
    22: 'uint32', 23: 'uint64',
}  # fmt: skip
"""Numbers of ``types.proto``; how bfloat16 is stored."""
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(RuntimeError, NotImplementedError),  # zipfile: encrypted; packed in another way
)


@dataclass(frozen=True)
class Slot:
    """Where a tensor is, and what it is.

    Args:
        dtype: Number of its type in ``types.proto``.
        shape: Its shape.
        shard: Which data file.
        offset: First byte there.
        size: Bytes there.
        crc: Their masked CRC-32C.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def _numbers(data: memoryview, names: Mapping[int, str]) -> dict[str, Any]:
    return {names[n]: value for n, value in message(data) if n in names}


def _shape(data: memoryview) -> tuple[int, ...]:
    axes = []
    for number, value in message(data):
        if number == 2 and isinstance(value, memoryview):
            axes.append(int(_numbers(value, {1: 'size'}).get('size', 0)))
        elif number == 3 and value:
            raise TableError('its shape is not known')
    if len(axes) > MOST_AXES or any(n >= 1 << 48 for n in axes):
        raise TableError(f'a shape of {len(axes)} axes, {axes[:4]}')
    return tuple(axes)


def parse_slot(data: memoryview) -> Slot:
    """Read a ``BundleEntryProto`` and check that it agrees with itself.

    Raises:
        TableError: If it is damaged, a slice, or of a type that is not read.
    """
    names = {1: 'dtype', 3: 'shard', 4: 'offset', 5: 'size', 6: 'crc'}
    found: dict[str, Any] = dict.fromkeys(names.values(), 0)
    shape: tuple[int, ...] = ()
    for number, value in message(data):
        if number == 7:
            raise TableError('it is in slices (a partitioned variable), which are not read')
        if number == 2 and isinstance(value, memoryview):
            shape = _shape(value)
        elif number in names and isinstance(value, int):
            found[names[number]] = value
    slot = Slot(shape=shape, **found)
    if slot.dtype not in TYPES and slot.dtype != STRING:
        raise TableError(f'type {slot.dtype} is not read; known: {sorted([*TYPES, STRING])}')
    if slot.dtype == STRING:
        if slot.count > slot.size:
            raise TableError(f'{slot.count} strings in {slot.size} bytes')
    elif slot.count * np.dtype(TYPES[slot.dtype]).itemsize != slot.size:
        raise TableError(f'{TYPES[slot.dtype]} {slot.shape} in {slot.size} bytes')
    return slot


def _strings(slot: Slot, data: memoryview) -> np.ndarray:
    """Read lengths, their masked CRC-32C, and the strings; check them."""
    sizes, at = [], 0
    for _ in range(slot.count):
        size, at = varint(data, at)
        sizes.append(size)
    widths = [4 if size < 1 << 32 else 8 for size in sizes]
    crc = crc32c(b''.join(s.to_bytes(w, 'little') for s, w in zip(sizes, widths, strict=True)))
    if masked(crc) != int.from_bytes(piece(data, at, 4), 'little'):
        raise TableError('the CRC-32C of its lengths does not match')
    if masked(crc32c(data[at:], crc)) != slot.crc or sum(sizes) != len(data) - at - 4:
        raise TableError('its CRC-32C does not match')
    at += 4
    found = np.empty(slot.count, object)
    for i, size in enumerate(sizes):
        found[i] = bytes(data[at : at + size])
        at += size
    return found.reshape(slot.shape)


def to_array(slot: Slot, data: bytes) -> np.ndarray:
    """Return the tensor of these bytes: strings as objects, bfloat16 as float32 (exact).

    Raises:
        TableError: If the bytes differ from what was written.
    """
    if slot.dtype == STRING:
        return _strings(slot, memoryview(data))
    if masked(crc32c(data)) != slot.crc:
        raise TableError('its CRC-32C does not match')
    array = np.frombuffer(data, np.dtype(TYPES[slot.dtype]).newbyteorder('<'))
    if slot.dtype == BOOL:
        array = np.frombuffer(data, np.uint8) != 0
    if slot.dtype == BFLOAT16:
        array = (array.astype('<u4') << 16).view('<f4')
    return array.reshape(slot.shape)


class _Folder:
    """The files of a checkpoint in a folder, by the end of their names."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            found = sorted(path.glob('*' + INDEX))
            if len(found) != 1:
                raise TableError(f'expected one file *{INDEX}, found {len(found)}')
            path = found[0]
        self.prefix = str(path).removesuffix(INDEX)

    def size(self, end: str) -> int:
        """Return the size of a file in bytes."""
        return Path(self.prefix + end).stat().st_size

    def open(self, end: str) -> IO[bytes]:
        """Open a file to read."""
        return open(self.prefix + end, 'rb')

    def close(self) -> None:
        """Nothing is open."""


class _Zip:
    """The files of a checkpoint in a zip, in any folder of it."""

    def __init__(self, path: Path) -> None:
        self.archive = zipfile.ZipFile(path)
        found = [n for n in self.archive.namelist() if n.endswith(INDEX) and '__MACOSX' not in n]
        if len(found) != 1:
            self.close()
            raise TableError(f'expected a zip with one file *{INDEX}, found {len(found)}')
        self.prefix = found[0].removesuffix(INDEX)

    def size(self, end: str) -> int:
        """Return the size of a file in bytes, as the zip states it."""
        try:
            return self.archive.getinfo(self.prefix + end).file_size
        except KeyError:
            raise FileNotFoundError(f'no file {self.prefix + end} in the zip') from None

    def open(self, end: str) -> IO[bytes]:
        """Open a file to read."""
        return self.archive.open(self.prefix + end)

    def close(self) -> None:
        """Close the zip."""
        self.archive.close()


class Bundle:
    """A checkpoint; its index is read and checked at once, its tensors when they are asked for.

    Args:
        path: A zip, a folder with one checkpoint, or the name of a checkpoint in a folder, with or
            without ``.index``.

    Raises:
        CheckpointError: If a file is missing, damaged or not a checkpoint; it names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._errors():
            packed = self.path.is_file() and not str(path).endswith(INDEX)
            self._files: Any = (_Zip if packed else _Folder)(self.path)
            try:
                self.shards, self.slots = self._index()
                self._check_places()
            except BaseException:
                self._files.close()
                raise

    def __enter__(self) -> Bundle:
        """Return the bundle, which is closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the zip, if it is one."""
        self._files.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (TableError, *BROKEN) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f'checkpoint {self.path}: {reason}') from None

    def _shard(self, number: int) -> str:
        return f'.data-{number:05d}-of-{self.shards:05d}'

    def _index(self) -> tuple[int, dict[str, Slot]]:
        if self._files.size(INDEX) > MOST_INDEX_BYTES:
            raise TableError(f'an index of more than {MOST_INDEX_BYTES} bytes')
        with self._files.open(INDEX) as file:
            content = file.read(MOST_INDEX_BYTES + 1)
        shards, slots = 0, {}
        for key, value in read_table(content):
            if not key:
                shards = _header(value)
                continue
            try:
                name = key.decode()
                slots[name] = parse_slot(value)
            except UnicodeDecodeError:
                raise TableError(f'key {key[:40]!r} is no name (a slice, or damaged)') from None
            except TableError as error:
                raise TableError(f'tensor {name!r:.200}: {error}') from None
        if not shards:
            raise TableError('no checkpoint of TensorFlow 2: its index has no header')
        return shards, slots

    def _check_places(self) -> None:
        """Refuse tensors outside of the data files, or on top of each other."""
        if sum(slot.size for slot in self.slots.values()) > MOST_BYTES:
            raise TableError(f'tensors of more than {MOST_BYTES} bytes in all')
        ends: dict[int, int] = {}
        for name, slot in self._in_order():
            if slot.shard >= self.shards:
                raise TableError(f'tensor {name!r:.200}: data file {slot.shard} of {self.shards}')
            if slot.offset < ends.get(slot.shard, 0):
                raise TableError(f'tensor {name!r:.200}: its bytes are those of another, too')
            ends[slot.shard] = slot.offset + slot.size
        for shard, end in ends.items():
            size = self._files.size(self._shard(shard))
            if size < end:
                raise TableError(f'{self._shard(shard)} is cut: {size} of {end} bytes')

    def _in_order(self) -> list[tuple[str, Slot]]:
        return sorted(self.slots.items(), key=lambda x: (x[1].shard, x[1].offset, x[1].size))

    def tensors(self, like: str = '') -> Iterator[tuple[str, np.ndarray]]:
        """Yield names and tensors in the order of the files, each checked by its CRC-32C.

        Args:
            like: Only those with this in their name.

        Raises:
            CheckpointError: If a tensor differs from what was written; it names file and tensor.
        """
        wanted = [(name, slot) for name, slot in self._in_order() if like in name]
        with self._errors(), contextlib.ExitStack() as stack:
            shard, file = -1, None
            for name, slot in wanted:
                if slot.shard != shard:
                    shard = slot.shard
                    file = stack.enter_context(self._files.open(self._shard(shard)))
                yield name, self._tensor(file, name, slot)

    def _tensor(self, file: Any, name: str, slot: Slot) -> np.ndarray:
        file.seek(slot.offset)
        data = file.read(slot.size)
        try:
            if len(data) != slot.size:
                raise TableError(f'cut: {len(data)} of {slot.size} bytes')
            return to_array(slot, data)
        except (TableError, ValueError) as error:
            raise TableError(f'tensor {name!r:.200}: {error}') from None

    def read(self, name: str) -> np.ndarray:
        """Return one tensor.

        Raises:
            CheckpointError: If there is none of this name, or it is damaged.
        """
        if name not in self.slots:
            raise CheckpointError(f'checkpoint {self.path}: no tensor {name!r:.200}')
        with self._errors(), self._files.open(self._shard(self.slots[name].shard)) as file:
            return self._tensor(file, name, self.slots[name])


def _header(data: memoryview) -> int:
    """Return the number of data files of a ``BundleHeaderProto``."""
    shards, oldest = 0, 0
    for number, value in message(data):
        if number == 1 and isinstance(value, int):
            shards = value
        elif number == 2 and value:
            raise TableError('its numbers are big-endian, which is not read')
        elif number == 3 and isinstance(value, memoryview):
            oldest = int(_numbers(value, {2: 'oldest'}).get('oldest', 0))
    if not 0 < shards < 100_000 or oldest > 1:
        raise TableError(f'{shards} data files, version {oldest}; expected 1 to 99999, at most 1')
    return shards


def is_bundle(path: Path) -> bool:
    """Whether a path looks like a checkpoint of TensorFlow."""
    named = path.suffix in ('.zip', INDEX) or path.is_dir()
    return named or (not path.is_file() and Path(f'{path}{INDEX}').is_file())
