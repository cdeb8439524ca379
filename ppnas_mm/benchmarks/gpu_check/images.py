"""Labelled images on the device: batches without a loader."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

SIDE, PADDING = 32, 4


@dataclass(frozen=True)
class Images:
    """Images ``(N, 3, 32, 32)`` of bytes, and their labels.

    Attributes:
        pixels, labels: Tensors on one device.
        name: Source of the images.
        flip: Whether mirroring keeps the class of an image.
    """

    pixels: Tensor
    labels: Tensor
    name: str
    flip: bool

    def batches(
        self, size: int, seed: int | None = None, drop_last: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield normalised images and labels.

        Args:
            size: Images per batch.
            seed: Seed of order, crops and flips (crops of 32 from 40 x 40, PP-NAS, Section IV-A);
                ``None``: in order, unchanged.
            drop_last: Whether to drop a smaller last batch.
        """
        device = self.pixels.device
        generator = torch.Generator(device).manual_seed(seed or 0)
        number = len(self.pixels)
        order = torch.arange(number, device=device)
        if seed is not None:
            order = torch.randperm(number, generator=generator, device=device)
        for start in range(0, number - (size - 1) * drop_last, size):
            chosen = order[start : start + size]
            pixels = self.pixels[chosen]
            if seed is not None:
                pixels = augment(pixels, generator, self.flip)
            yield pixels.float().div(127.5).sub(1), self.labels[chosen]


def augment(pixels: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    """Return random crops of images ``(N, 3, H, W)`` padded by 4, half of them mirrored."""
    number, channels, height, width = pixels.shape
    device = pixels.device
    padded = functional.pad(pixels, [PADDING] * 4)
    top, left = torch.randint(
        0, 2 * PADDING + 1, (2, number, 1), generator=generator, device=device
    )
    rows = top + torch.arange(height, device=device)
    columns = left + torch.arange(width, device=device)
    if flip:
        mirrored = torch.rand(number, 1, generator=generator, device=device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    across = torch.arange(channels, device=device)[None, :, None, None]
    image = torch.arange(number, device=device)[:, None, None, None]
    return padded[image, across, rows[:, None, :, None], columns[:, None, None, :]]


def read_pack(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images ``(N, 32, 32, 3)`` and labels of a pack: WebP strips in an npz file."""
    with np.load(path, allow_pickle=False) as pack:
        blob, ends, labels = pack['webp'].tobytes(), pack['offsets'].tolist(), pack['labels']
    strips = [
        np.asarray(Image.open(io.BytesIO(blob[start:end])).convert('RGB'))
        for start, end in itertools.pairwise(ends)
    ]
    return np.concatenate(strips).reshape(-1, SIDE, SIDE, 3), labels


def load(data: Path | None, device: str, most: int | None = None) -> tuple[Images, Images]:
    """Return training and test images: CIFAR-10's packs in a folder, else scikit-learn's digits.

    Args:
        data: Folder with ``test_batch.npz`` and ``data_batch_N.npz``.
        device: Device for the images.
        most: Maximum number of each.
    """
    packs = sorted(data.glob('data_batch_*.npz')) if data else []
    if data and packs and (data / 'test_batch.npz').is_file():
        parts = [read_pack(path) for path in packs]
        train = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        pairs, name, flip = (train, read_pack(data / 'test_batch.npz')), 'CIFAR-10', True
    else:
        from ...datasets.digits import load_split

        pairs, name, flip = (
            (_large(*load_split('train')), _large(*load_split('test'))),
            'digits',
            False,
        )
    found = []
    for pixels, labels in pairs:
        stacked = torch.from_numpy(np.ascontiguousarray(pixels[:most].transpose(0, 3, 1, 2)))
        kept = torch.from_numpy(labels[:most].astype(np.int64))
        found.append(Images(stacked.to(device), kept.to(device), name, flip))
    return found[0], found[1]


def _large(grey: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return digits ``(N, 8, 8)`` as images ``(N, 32, 32, 3)``."""
    return np.repeat(np.kron(grey, np.ones((1, 4, 4), grey.dtype))[..., None], 3, 3), labels
