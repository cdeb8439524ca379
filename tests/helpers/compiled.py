"""Shared by the tests of compiled checkpointing and others."""

from typing import Any

import torch
from zoo import build_network, images, scramble


def step(name: str, with_cp: bool, backend: str | None) -> Any:
    net = scramble(build_network(name, with_cp=with_cp)).double().train()
    run = net if backend is None else torch.compile(net, backend=backend, fullgraph=True)
    x = images(2, 3, 16, 16, dtype=torch.float64).requires_grad_()
    maps = run(x)
    sum((m * m).mean() for m in maps).backward()
    gradients = {n: p.grad for n, p in net.named_parameters()}
    torch._dynamo.reset()
    return maps, x.grad, gradients, dict(net.named_buffers())
