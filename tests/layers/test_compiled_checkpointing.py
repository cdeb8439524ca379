"""torch.compile of networks that recompute their blocks: same maps, gradients and statistics."""

import pytest
import torch
from compiled import step


@pytest.mark.parametrize('backend', ['eager', 'aot_eager'])
@pytest.mark.parametrize(
    'name', ['ppnas_mm.PPResNetCIFAR', 'ppnas_mm.NASBench201Net', 'ppnas_mm.NASBench201SuperNet']
)
def test_a_step_stays_the_same(name: str, backend: str) -> None:
    """The other networks take longer: ``tests/slow/test_deploy_compiled.py``."""
    torch.testing.assert_close(step(name, True, backend), step(name, False, None))
