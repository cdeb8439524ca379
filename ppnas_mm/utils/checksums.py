"""Bits that flipped: what files of weights carry to be checked by, and the check."""

from __future__ import annotations

import hashlib
import json
import zipfile
from typing import IO, Any

from safetensors.torch import load
from torch import Tensor

KEY = 'sha256'
"""Entry of a safetensors file's metadata: SHA-256 of everything else in the file."""
ZIP = b'PK\x03\x04'


class ChecksumError(ValueError):
    """A file is not what was written."""


def check_zip(file: IO[bytes]) -> None:
    """Check every member of a ``.pth`` that is a zip file; the position is 0 again after it.

    Files of torch's format before 1.6 are no zip files and have no checksums; nor have those
    written under ``torch.serialization.set_crc32_options(False)``, where every CRC is 0.

    Raises:
        ChecksumError: If a member is not what was written, with its name.
        zipfile.BadZipFile: If the table of the members is damaged.
    """
    if file.read(len(ZIP)) == ZIP:
        with zipfile.ZipFile(file) as archive:
            wrong = archive.testzip() if any(m.CRC for m in archive.infolist()) else None
        if wrong is not None:
            raise ChecksumError(f'damaged: the checksum of {wrong} does not fit')
    file.seek(0)


def _split(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the header of a safetensors file and the bytes behind it."""
    size = int.from_bytes(content[:8], 'little')
    if not 2 <= size <= len(content) - 8:
        raise ChecksumError(f'damaged: a header of {size} bytes in a file of {len(content)}')
    header = json.loads(content[8 : 8 + size])
    if not isinstance(header, dict):
        raise ChecksumError(f'damaged: the header is no object, but {type(header).__name__}')
    return header, memoryview(content)[8 + size :]


def _digest(header: dict[str, Any], body: memoryview) -> str:
    """Return the SHA-256 of names, types, shapes, places and bytes of tensors, and metadata."""
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    found.update(body)
    return found.hexdigest()


def seal(content: bytes) -> bytes:
    """Add a checksum to the content of a safetensors file; equal tensors are equal files.

    The header is written here, since safetensors puts several entries in a random order.
    """
    header, body = _split(content)
    digest = _digest(header, body)
    header['__metadata__'] = {**header.get('__metadata__', {}), KEY: digest}
    text = json.dumps(header, sort_keys=True, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    return len(text).to_bytes(8, 'little') + text + body


def read_safetensors(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file, checked if it has a checksum.

    Files without one, of other programs or of earlier versions, are read as they are.

    Raises:
        ChecksumError: If the file is not what was written.
    """
    header, body = _split(content)
    metadata = dict(header.pop('__metadata__', {}))
    # a flip may have hit the name of the checksum
    for key in [KEY] if KEY in metadata else [k for k, v in metadata.items() if len(v) == 64]:
        rest = {name: value for name, value in metadata.items() if name != key}
        found = _digest({**header, **({'__metadata__': rest} if rest else {})}, body)
        if (found == metadata[key]) != (key == KEY):
            raise ChecksumError('damaged: its checksum does not fit')
    metadata.pop(KEY, None)
    return load(content), metadata
