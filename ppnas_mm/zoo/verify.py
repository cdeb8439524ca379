"""Tests an entry of the zoo on images of this machine, and compares with what the entry says."""

from __future__ import annotations

import argparse
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..weights.fetch import entry, locate
from ..weights.index import Entry, ZooError, index_path, load_genotype
from ..weights.published import Published

METRIC = 'accuracy/top1'
ALIKE = 0.005
"""Points that a result of this project may differ by, which is tested again digit by digit."""


def expected(item: Entry) -> tuple[float, float]:
    """Return the accuracy that an entry should have, and how many points it may differ by."""
    if isinstance(item, Published):
        return item.expected['value'], item.expected['within']
    return item.metric['value'], ALIKE


def verdict(item: Entry, found: float, images: int) -> str:
    """Say in a line whether a measured accuracy fits an entry."""
    value, within = expected(item)
    line = f'{item.name}: {found:.2f} measured on {images} images; {value:g} expected'
    if isinstance(item, Published):
        line += f' ({item.metric["by"]})'
    if abs(found - value) <= within:
        return f'{line}: within {within:g} points, so genotype and padding fit'
    return (
        f'{line}: more than {within:g} points apart, so the images are not those that it was '
        'measured on, or genotype or padding do not fit'
    )


def fits(item: Entry, found: float) -> bool:
    """Whether a measured accuracy fits an entry."""
    value, within = expected(item)
    return abs(found - value) <= within


def measure(
    name: str, data_root: str | Path, options: Mapping[str, Any] | None = None
) -> tuple[float, int]:
    """Test an entry with the test data set of its config in another folder.

    Args:
        name: ``arch.tag``.
        data_root: Folder of the data set, as the config's data set expects it; for ImageNet with
            ``val/SYNSET/*.JPEG``, or ``val/*.JPEG`` and ``meta/val.txt``.
        options: Other overrides of the config.

    Returns:
        The accuracy in percent, and the number of images.

    Raises:
        ZooError: If the config has no accuracy, or there are no images.
        CheckpointError: If the weights do not fit.
    """
    from ..engine.run import load_run
    from ..engine.runner import Runner
    from ..weights.checkpoint import load_weights

    item, index = entry(name), index_path()
    if not Path(data_root).is_dir():
        raise ZooError(f'--verify {data_root}: no such folder')
    with tempfile.TemporaryDirectory() as work_dir:
        config = load_run(
            argparse.Namespace(
                config=index.parent.parent / item.config,
                cfg_options={'data_root': str(data_root), **(options or {})},
                work_dir=work_dir,
                launcher='none',
                local_rank=0,
            )
        )
        if item.genotype is not None:
            config.model.backbone.arch = load_genotype(item, index).to_dict()
        # mmengine gives runs of the same second one logger, whose folder may be gone
        config.experiment_name = f'verify_{uuid.uuid4().hex}'
        path, sha256 = locate(name)
        runner = Runner.from_cfg(config)
        load_weights(runner.model, path, sha256)
        scores = runner.test()
    if METRIC not in scores:
        raise ZooError(f'{name}: --verify needs {METRIC}; the test gives {sorted(scores)}')
    dataset: Any = runner.test_dataloader.dataset
    return float(scores[METRIC]), len(dataset)
