"""Compiled, the deployed form is one graph and computes the same."""

import pytest
import torch
from compiled import step
from zoo import BACKBONES, NETWORKS, build_network, images, scramble


@pytest.mark.parametrize('name', BACKBONES)
@torch.no_grad()
def test_no_graph_break(name: str) -> None:
    net = scramble(build_network(f'ppnas_mm.{name}')).eval()
    x = images(1, 3, 32, 32)
    want = net(x)
    found = torch._dynamo.explain(net.switch_to_deploy())(x)
    assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons
    torch._dynamo.reset()
    for a, b in zip(want, torch.compile(net, fullgraph=True)(x), strict=True):
        assert (a - b).abs().max() <= 1e-5 * a.abs().max()
    torch._dynamo.reset()


@pytest.mark.parametrize('backend', ['eager', 'aot_eager'])
@pytest.mark.parametrize('name', NETWORKS)
def test_recomputed_blocks_compile(name: str, backend: str) -> None:
    torch.testing.assert_close(step(name, True, backend), step(name, False, None))
