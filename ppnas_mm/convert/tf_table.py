"""The table file that TensorFlow keeps the index of a checkpoint in, and its protocol buffers.

Facts: LevelDB's ``doc/table_format.md``, protobuf's encoding page.  Sizes and positions in a file
are checked before they are used, so a hostile file costs an error and no more.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..utils.crc32c import crc32c, masked

MAGIC = (0xDB4775248B80FB57).to_bytes(8, 'little')
FOOTER = 48
"""Bytes: two block handles, zeros, the magic number."""
TRAILER = 5
"""Bytes after a block: how it is compressed, and its masked CRC-32C."""
LONGEST_KEY = 4096
MOST_KEY_BYTES = 1 << 26
"""Of all keys: a file that shares long beginnings unpacks to far more than it holds."""


class TableError(ValueError):
    """A table or a message that is damaged, or uses what is not read here."""


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return an unsigned number of 7 bits a byte, and the position after it.

    Raises:
        TableError: If it does not end within ten bytes.
    """
    value = 0
    for i in range(10):
        if at + i >= len(data):
            break
        value |= (data[at + i] & 127) << 7 * i
        if data[at + i] < 128:
            return value & (1 << 64) - 1, at + i + 1
    raise TableError(f'damaged: no number at byte {at}')


def piece(data: memoryview, at: int, size: int) -> memoryview:
    """Return ``size`` bytes from a position.

    Raises:
        TableError: If there are fewer.
    """
    if size > len(data) - at:
        raise TableError(f'damaged or cut: {size} bytes at byte {at} of {len(data)}')
    return data[at : at + size]


def message(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield field number and value of each field of a protocol buffer.

    Numbers come as unsigned integers, everything else as bytes.

    Raises:
        TableError: If the message is damaged.
    """
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
            yield tag >> 3, value
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            yield tag >> 3, int.from_bytes(piece(data, at, size), 'little')
            at += size
        elif kind == 2:
            size, at = varint(data, at)
            yield tag >> 3, piece(data, at, size)
            at += size
        else:
            raise TableError(f'damaged: a field of kind {kind} in a message')


def _handle(data: memoryview, at: int) -> tuple[int, int, int]:
    """Return offset and size of a block, and the position after them."""
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return offset, size, at


def _block(table: memoryview, offset: int, size: int) -> memoryview:
    """Return the content of a block, checked."""
    whole = piece(table[: len(table) - FOOTER], offset, size + TRAILER)
    if masked(crc32c(whole[: size + 1])) != int.from_bytes(whole[size + 1 :], 'little'):
        raise TableError(f'damaged: the CRC-32C of the block at byte {offset} does not match')
    if whole[size] != 0:
        raise TableError(
            f'the block at byte {offset} is compressed (type {whole[size]}, snappy is 1); '
            'TensorFlow writes plain blocks, and only those are read'
        )
    return whole[:size]


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield keys and values; a key begins with part of the one before."""
    restarts = int.from_bytes(piece(block, max(0, len(block) - 4), 4), 'little')
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise TableError(f'damaged: {restarts} restarts in a block of {len(block)} bytes')
    data, at, key = block[:end], 0, b''
    while at < end:
        shared, at = varint(data, at)
        rest, at = varint(data, at)
        size, at = varint(data, at)
        if shared > len(key) or shared + rest > LONGEST_KEY:
            raise TableError(f'damaged: a key of {shared} + {rest} bytes after one of {len(key)}')
        key = key[:shared] + bytes(piece(data, at, rest))
        at += rest
        yield key, piece(data, at, size)
        at += size


def read_table(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield keys and values of a table, in the order of the keys.

    Raises:
        TableError: If the table is damaged, compressed, or its keys are not in order.
    """
    table = memoryview(content)
    if len(table) < FOOTER or content[-len(MAGIC) :] != MAGIC:
        raise TableError(f'no table of TensorFlow, or cut: {len(table)} bytes without its end mark')
    footer = table[len(table) - FOOTER :]
    offset, size, _ = _handle(footer, _handle(footer, 0)[2])
    last, total = None, 0
    for _, handle in _entries(_block(table, offset, size)):
        offset, size, _ = _handle(handle, 0)
        for key, value in _entries(_block(table, offset, size)):
            total += len(key)
            if (last is not None and key <= last) or total > MOST_KEY_BYTES:
                raise TableError('damaged: the keys are not in order, or too long in all')
            last = key
            yield key, value
