"""Crops and flips of whole batches against plain loops over images and pixels."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from tasks import classifier_batch
from zoo import images

from ppnas_mm.datasets.mmpretrain_crop_flip import CropFlipPreprocessor, crop_flip
from ppnas_mm.registry import MODELS


def variant(image: Any, dy: int, dx: int, flipped: bool, padding: int) -> Any:
    """One crop of a padded image, pixel by pixel."""
    planes, height, width = image.shape
    found = np.zeros_like(image)
    for c in range(planes):
        for y in range(height):
            for x in range(width):
                across = width - 1 - x if flipped else x
                row, column = y + dy - padding, across + dx - padding
                if 0 <= row < height and 0 <= column < width:
                    found[c, y, x] = image[c, row, column]
    return found


def which(image: Any, cropped: Any, padding: int) -> tuple[int, int, bool]:
    """The crop that an image became."""
    places = range(2 * padding + 1)
    found = [
        (dy, dx, flipped)
        for dy in places
        for dx in places
        for flipped in (False, True)
        if np.array_equal(variant(image, dy, dx, flipped, padding), cropped)
    ]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(('padding', 'shape'), [(1, (3, 5, 4)), (2, (1, 4, 7)), (3, (2, 4, 4))])
def test_each_image_is_a_crop_of_its_own(padding: int, shape: tuple[int, ...]) -> None:
    x = images(40, *shape)
    torch.manual_seed(3)
    out = crop_flip(x, padding, 0.5)
    assert out.shape == x.shape and out.dtype == x.dtype
    seen = Counter(which(a, b, padding) for a, b in zip(x.numpy(), out.numpy(), strict=True))
    assert len(seen) > 10


def test_every_place_is_as_likely_and_half_are_flipped() -> None:
    x = images(1, 1, 4, 3).expand(4000, -1, -1, -1)
    torch.manual_seed(0)
    out = crop_flip(x, 1, 0.5)
    image = x[0].numpy()
    known = {
        variant(image, dy, dx, f, 1).tobytes(): (dy, dx, f)
        for dy in range(3) for dx in range(3) for f in (False, True)
    }  # fmt: skip
    seen = Counter(known[one.contiguous().numpy().tobytes()] for one in out)
    assert len(known) == len(seen) == 18
    for count in seen.values():  # binomial: mean 222, deviation 14.5
        assert abs(count - 4000 / 18) < 5 * 14.5
    flipped = sum(n for (_, _, f), n in seen.items() if f)
    assert abs(flipped - 2000) < 5 * 31.7


@pytest.mark.parametrize('flip', [0.0, 1.0])
def test_flips_are_all_or_none(flip: float) -> None:
    x = images(5, 2, 4, 3)
    expected = torch.stack([torch.tensor(variant(i, 0, 0, bool(flip), 0)) for i in x.numpy()])
    assert torch.equal(crop_flip(x, 0, flip), expected)
    assert torch.equal(expected, x.flip(3) if flip else x)


def test_a_share_of_flips() -> None:
    x = images(1, 1, 2, 3).expand(2000, -1, -1, -1)
    torch.manual_seed(1)
    out = crop_flip(x, 0, 0.2)
    flipped = sum(not torch.equal(a, b) for a, b in zip(out, x, strict=True))
    assert abs(flipped - 400) < 5 * 17.9


def test_seeds_repeat_and_the_batch_stays() -> None:
    x = images(6, 3, 5, 5)
    before = x.clone()
    outs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        outs.append(crop_flip(x, 2, 0.5))
    assert torch.equal(outs[0], outs[1]) and not torch.equal(outs[0], outs[2])
    assert torch.equal(x, before)


def preprocessor(**kwargs: Any) -> Any:
    """As a config would build it."""
    given = {'mean': [100.0, 110, 120], 'std': [50.0, 60, 70], 'to_rgb': True}
    return MODELS.build({'type': 'ppnas_mm.CropFlipPreprocessor', **given, **kwargs})


def test_training_batches_are_normalised_then_cropped() -> None:
    """Padded pixels have the mean colour, which is 0."""
    batch = classifier_batch(number=8, size=6)
    torch.manual_seed(0)
    out = preprocessor(padding=2)(batch, True)
    mean, std = np.array([100.0, 110, 120]), np.array([50.0, 60, 70])
    shifted = 0
    for raw, one in zip(batch['inputs'], out['inputs'].numpy(), strict=True):
        image = (raw.flip(0).numpy() - mean[:, None, None]) / std[:, None, None]
        places = [
            (dy, dx, f) for dy in range(5) for dx in range(5) for f in (False, True)
            if np.allclose(variant(image, dy, dx, f, 2), one, atol=1e-5)
        ]  # fmt: skip
        assert len(places) == 1
        shifted += places[0] != (2, 2, False)
    assert shifted >= 5
    assert [s.gt_label.item() for s in out['data_samples']] == [i % 3 for i in range(8)]


def test_other_batches_are_left_alone() -> None:
    ours, theirs = preprocessor(), MODELS.build(
        {'type': 'mmpretrain.ClsDataPreprocessor', 'mean': [100.0, 110, 120],
         'std': [50.0, 60, 70], 'to_rgb': True}
    )  # fmt: skip
    batch = classifier_batch()
    assert torch.equal(ours(batch, False)['inputs'], theirs(batch, False)['inputs'])
    assert isinstance(ours, CropFlipPreprocessor) and (ours.padding, ours.flip) == (2, 0.5)


@pytest.mark.parametrize('given', [{'padding': -1}, {'flip': 1.1}, {'flip': -0.1}])
def test_wrong_options_are_refused(given: dict) -> None:
    with pytest.raises(ValueError, match='expected 0 or more, 0 to 1'):
        preprocessor(**given)
