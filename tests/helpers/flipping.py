"""Single bits that flip in the files of a run: how many are found, and what those missed change."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ppnas_mm.genotype import Genotype, GenotypeError
from ppnas_mm.utils.files import DamagedFileError, read_json
from ppnas_mm.weights.checkpoint import CheckpointError, load_checkpoint

ERRORS = (CheckpointError, DamagedFileError, GenotypeError)


def numbers(node: Any) -> Any:
    """Return data in a form that can be compared: tensors as type, shape and bytes."""
    if isinstance(node, torch.Tensor):
        flat = node.contiguous().reshape(-1).view(torch.uint8)
        return str(node.dtype), tuple(node.shape), flat.numpy().tobytes()
    if isinstance(node, dict):
        return {key: numbers(value) for key, value in node.items()}
    return [numbers(value) for value in node] if isinstance(node, (list, tuple)) else repr(node)


def genotype(path: Path) -> Any:
    """Everything in the file of a genotype."""
    return Genotype.load(path).to_dict()


READERS: dict[str, Callable[[Path], Any]] = {
    'epoch_*.pth': load_checkpoint,
    'derived.safetensors': load_checkpoint,
    'genotype.json': genotype,
    'search.json': read_json,
    'retrain/result.json': read_json,
}
"""Every kind of file that a run writes and reads, and its reader."""


def flip(path: Path, bit: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def flips(path: Path, read: Callable[[Path], Any], times: int, seed: int) -> dict[str, int]:
    """Flip ``times`` single bits, one after the other, in a file; count what became of them.

    Returns:
        ``found``: refused with a line of an expected kind that names the file; ``same``: read as
        what it was (a blank, an unused byte); ``missed``: read as something else.
    """
    whole, content = numbers(read(path)), path.read_bytes()
    counts, moments = dict(found=0, same=0, missed=0), random.Random(seed)
    for bit in moments.sample(range(8 * len(content)), times):
        flip(path, bit)
        try:
            counts['same' if numbers(read(path)) == whole else 'missed'] += 1
        except ERRORS as error:
            assert str(path) in str(error) and '\n' not in str(error)
            counts['found'] += 1
        finally:
            path.write_bytes(content)
    return counts


def json_numbers(path: Path) -> int:
    """How many numbers a JSON file holds."""
    found: list[str] = []
    json.loads(path.read_text(), parse_int=found.append, parse_float=found.append)
    return len(found)
