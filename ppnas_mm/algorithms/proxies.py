"""Scores of untrained networks: NASWOT and synflow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..spaces.super_net import SuperNet

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.GELU, nn.Hardswish, nn.Mish)


@contextmanager
def _patterns(net: nn.Module) -> Iterator[list[Tensor]]:
    """Collect where the inputs of all activations are positive, ``(N, units)`` each."""
    found: list[Tensor] = []

    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        found.append((args[0].detach() > 0).flatten(1))

    handles = [
        module.register_forward_pre_hook(hook)
        for module in net.modules()
        if isinstance(module, ACTIVATIONS)
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def naswot(net: nn.Module, images: Tensor) -> float:
    """Return the log-determinant of how many activations agree between images.

    Mellor et al., Neural Architecture Search without Training, ICML 2021, Section 3: entry (i, j)
    of the matrix counts the units that are active for both images or for neither.  Batch norms
    should use the statistics of the batch (``net.train()``), as there.  An activation that several
    operations share counts once, so in the DARTS space a super-net's path has fewer units than the
    derived network.

    Args:
        net: An untrained network.
        images: Preprocessed, ``(N, C, H, W)``.

    Returns:
        The score; minus infinity if two images have the same pattern or nothing is activated.
    """
    with _patterns(net) as patterns:
        net(images)
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    for pattern in patterns:
        signs = pattern.float() * 2 - 1  # products of +-1 count agreements minus disagreements
        kernel += (signs @ signs.T + signs.shape[1]).double() / 2
    sign, logarithm = torch.linalg.slogdet(kernel)
    return float(logarithm) if sign > 0 else float('-inf')


@torch.enable_grad()
def synflow(net: nn.Module, shape: tuple[int, ...]) -> float:
    """Return the logarithm of the sum of all synaptic saliencies.

    Tanaka et al., Pruning neural networks without any data by iteratively conserving synaptic
    flow, NeurIPS 2020, eq. 2: the absolute value of each parameter times the derivative of R, the
    sum of the outputs for an image of ones in the network of absolute parameters.  Batch norms
    are left out, as in Zero-Cost Proxies for Lightweight NAS (Abdelfattah et al., ICLR 2021).

    Args:
        net: An untrained network that returns maps; their sum is R.
        shape: Of one image, ``(C, H, W)``.

    Returns:
        The score; minus infinity if no parameter affects the output.
    """
    state, learned = _without_norms(net)
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        ones = torch.ones(1, *shape, dtype=torch.float64, device=next(net.parameters()).device)
        outputs: Any = functional_call(net, state, (ones,))
        flow = sum(output.sum() for output in outputs)
        if not flow.requires_grad:
            return float('-inf')
        gradients = torch.autograd.grad(flow, list(learned.values()), allow_unused=True)
    finally:
        for module, mode in modes.items():
            module.training = mode
    pairs = zip(learned.values(), gradients, strict=True)
    total = sum(float((p.detach() * g).sum()) for p, g in pairs if g is not None)
    return float(torch.tensor(total, dtype=torch.float64).log())


def _without_norms(net: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return a state of absolute parameters in which batch norms are identities.

    Also its entries that are learned.
    """
    state = {name: value.detach() for name, value in net.state_dict().items()}
    learned = {}
    arch = {id(p) for p in net.arch_parameters().values()} if isinstance(net, SuperNet) else set()
    norms = {f'{name}.': m for name, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for name, parameter in net.named_parameters():
        prefix = name[: name.rfind('.') + 1]
        if prefix in norms or id(parameter) in arch:
            continue
        learned[name] = state[name] = parameter.detach().abs().double().requires_grad_()
    for prefix, norm in norms.items():
        values = {'running_mean': 0.0, 'running_var': 1 - norm.eps, 'weight': 1.0, 'bias': 0.0}
        for key, value in values.items():
            if prefix + key in state:
                state[prefix + key] = torch.full_like(
                    state[prefix + key], value, dtype=torch.float64
                )
    return state, learned
