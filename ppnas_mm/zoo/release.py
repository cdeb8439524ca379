"""Converts what the authors of PP-NAS released: zips with a checkpoint of TensorFlow 2."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ..convert import from_format, read_weights
from ..utils.checksums import seal
from ..utils.registries import MODELS
from ..weights.checkpoint import CheckpointError
from ..weights.index import load_genotype
from ..weights.published import Published
from .model import entry_config

FORMAT, PREFIX = 'keras-npz', 'model.'
"""How every release names its tensors (sbl1996/hanser, models/utils.py, ``convert_checkpoint``)."""


def _network(item: Published, index: Path) -> nn.Module:
    """Build the network of an entry without memory for its values; mmpretrain is not needed."""
    settings = entry_config(item, index).model
    with torch.device('meta'):
        backbone = MODELS.build(settings.backbone)
        fc = nn.Linear(settings.head.in_channels, settings.head.num_classes)
    # named as in the classifier of the config
    return nn.ModuleDict({'backbone': backbone, 'head': nn.ModuleDict({'fc': fc})})


def _tensors(item: Published, archive: Path, index: Path) -> dict[str, Tensor]:
    """Return all tensors of the network, from the zip."""
    weights = read_weights(archive)
    state, report = from_format(_network(item, index), weights.state, FORMAT, PREFIX)
    if report.missing or report.left:
        examples = [*report.missing, *report.left][:2]
        raise CheckpointError(
            f'{item.name}: {archive.name} is not of the network of the entry: '
            f'{report.matched}/{report.total} tensors found after the prefix {PREFIX!r}, '
            f'{len(report.left)} left over, such as {"; ".join(examples)}'
        )
    # the counters of norms are in no release
    return {k: torch.zeros(v.shape, dtype=v.dtype) if v.is_meta else v for k, v in state.items()}


def convert(item: Published, archive: Path, index: Path) -> bytes:
    """Return the content of a safetensors file with all tensors of the entry's network.

    Args:
        item: The entry.
        archive: The authors' zip.
        index: ``index.json``.

    Raises:
        CheckpointError: If the zip is damaged or of another network.
        ZooError: If the genotype is not the one of the entry.
    """
    told = {'genotype': load_genotype(item, index).to_json()} if item.genotype else {}
    return seal(save(_tensors(item, archive, index), {**told, 'source': item.url}))
