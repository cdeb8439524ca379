"""Every config of a network, by every inference class of its library, at full size."""

from pathlib import Path

import pytest
from inference import TABLE, infer


@pytest.mark.parametrize('config', TABLE, ids=lambda path: f'{path.parent.name}/{path.stem}')
def test_every_config_infers(config: Path, tmp_path: Path) -> None:
    infer(config, tmp_path)
    for file in tmp_path.rglob('*.pth'):
        file.unlink()
