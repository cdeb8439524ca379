"""Checksums of weight files: written, and checked on every read."""

from __future__ import annotations

import hashlib
import json
import zipfile
from typing import IO, Any

from safetensors.torch import load
from torch import Tensor

KEY = 'sha256'
"""Metadata key of a safetensors file: SHA-256 of everything else in the file."""
ZIP = b'PK\x03\x04'


class ChecksumError(ValueError):
    """A file differs from what was written."""


def check_zip(file: IO[bytes]) -> None:
    """Check every member of a ``.pth`` that is a zip file; afterwards the position is 0.

    Files in torch's format before 1.6 are not zip files and have no checksums. Files written under
    ``torch.serialization.set_crc32_options(False)`` have none either: every CRC is 0.

    Raises:
        ChecksumError: If a member differs from what was written; the message names it.
        zipfile.BadZipFile: If the table of the members is damaged.
    """
    if file.read(len(ZIP)) == ZIP:
        with zipfile.ZipFile(file) as archive:
            wrong = archive.testzip() if any(m.CRC for m in archive.infolist()) else None
        if wrong is not None:
            raise ChecksumError(f'damaged: the checksum of {wrong} does not match')
    file.seek(0)


def _split(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the header of a safetensors file and the bytes after it."""
    size = int.from_bytes(content[:8], 'little')
    if not 2 <= size <= len(content) - 8:
        raise ChecksumError(f'damaged: a header of {size} bytes in a file of {len(content)}')
    header = json.loads(content[8 : 8 + size])
    if not isinstance(header, dict):
        raise ChecksumError(f'damaged: the header is not an object but {type(header).__name__}')
    return header, memoryview(content)[8 + size :]


def _digest(header: dict[str, Any], body: memoryview) -> str:
    """Return the SHA-256 of the metadata and of names, types, shapes, offsets and bytes."""
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    found.update(body)
    return found.hexdigest()


def seal(content: bytes) -> bytes:
    """Add a checksum to the content of a safetensors file; equal tensors give equal files.

    It rewrites the header, because safetensors orders several entries at random.
    """
    header, body = _split(content)
    digest = _digest(header, body)
    header['__metadata__'] = {**header.get('__metadata__', {}), KEY: digest}
    text = json.dumps(header, sort_keys=True, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    return len(text).to_bytes(8, 'little') + text + body


def read_safetensors(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors and metadata of a safetensors file; check its checksum if it has one.

    Files of other programs or earlier versions have none.

    Raises:
        ChecksumError: If the file differs from what was written.
    """
    header, body = _split(content)
    metadata = dict(header.pop('__metadata__', {}))
    # the damaged bit may be in the name of the checksum
    for key in [KEY] if KEY in metadata else [k for k, v in metadata.items() if len(v) == 64]:
        rest = {name: value for name, value in metadata.items() if name != key}
        found = _digest({**header, **({'__metadata__': rest} if rest else {})}, body)
        if (found == metadata[key]) != (key == KEY):
            raise ChecksumError('damaged: its checksum does not match')
    metadata.pop(KEY, None)
    return load(content), metadata
