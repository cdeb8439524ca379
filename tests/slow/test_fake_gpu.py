"""What a GPU would refuse or wait for: steps on the meta device, forwards on a fake CUDA device."""

from typing import Any

import pytest
import torch
from fake_gpu import HostReads, fake_cuda, on_meta, to_fake_cuda
from mmengine.optim import OptimWrapper
from searches import build, every_algorithm, some_images
from tasks import search_optimizers
from torch import Tensor
from zoo import NETWORKS, build_network

DRAWN = ('EoiNAS', 'GDAS')
DRAW = 'gdas.py:_hard'
"""The host decides what runs, so it must know what was drawn: once for each draw."""


def reads_of_steps(algorithm: Any, optimizers: Any, epochs: int = 3) -> list[list[str]]:
    """Where each of some steps reads from the device; the phases of CDARTS are among them."""
    found = []
    for epoch in range(1, epochs + 1):
        with on_meta() as reads:
            algorithm.before_epoch(epoch)
            reads.places.clear()
            algorithm.train_step(some_images(algorithm, seed=epoch), optimizers)
        found.append(reads.places)
    return found


@every_algorithm
def test_no_step_reads_from_the_device(name: str, space: str) -> None:
    algorithm = build(name, space).train().to('meta')
    clip = {'clip_grad': {'max_norm': 5}}
    parts = algorithm.optim_parts()
    optimizers = search_optimizers(algorithm, **dict.fromkeys(parts, clip))
    for places in reads_of_steps(algorithm, optimizers):
        assert set(places) <= ({DRAW} if name in DRAWN else set())
        assert len(places) <= 2


@pytest.mark.parametrize('name', DRAWN)
def test_soft_draws_read_nothing(name: str) -> None:
    algorithm = build(name, 'nasbench201', hard=False).train().to('meta')
    assert reads_of_steps(algorithm, search_optimizers(algorithm)) == [[], [], []]


@every_algorithm
def test_checkpointing_reads_nothing_more(name: str) -> None:
    space = 'ppconv' if name == 'PPNAS' else 'nasbench201'
    algorithm = build(name, space).train().to('meta')
    for network in {id(n): n for n in algorithm.modules() if hasattr(n, 'with_cp')}.values():
        network.with_cp = True
    for places in reads_of_steps(algorithm, search_optimizers(algorithm), epochs=2):
        assert set(places) <= ({DRAW} if name in DRAWN else set())


class Scaler:
    """What :class:`torch.amp.GradScaler` does to gradients, without a GPU."""

    def unscale_(self, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            for p in group['params']:
                if p.grad is not None:
                    p.grad.div_(2)

    def scale(self, loss: Tensor) -> Tensor:
        return 2 * loss

    def update(self) -> None:
        pass


class Scaled(OptimWrapper):
    """An optimizer wrapper with a scaler, as mmengine's for a GPU."""

    loss_scaler = Scaler()

    def scale_loss(self, loss: Tensor) -> Tensor:
        return self.loss_scaler.scale(super().scale_loss(loss))


@every_algorithm
def test_a_scaler_reads_one_value_an_update(name: str) -> None:
    algorithm = build(name, 'ppconv' if name == 'PPNAS' else 'nasbench201').train().to('meta')
    optimizers = search_optimizers(algorithm)
    weights = optimizers['weights']
    weights.__class__ = Scaled
    for places in reads_of_steps(algorithm, optimizers):
        scaled = [p for p in places if p != DRAW]
        assert set(scaled) <= {'optim.py:_scaled_step'} and len(scaled) <= 2


def test_a_read_is_found() -> None:
    """The record itself: values, copies and truth."""
    x = torch.empty(3, device='meta')
    with HostReads() as reads:
        assert x.sum().item() == 1.0
        assert bool((x > 0).all())
        assert x.cpu().tolist() == [1.0, 1.0, 1.0]
        (x + 1).to('meta')
        torch.ones(2).sum().item()
    assert len(reads.places) == 3


def test_a_tensor_left_on_the_host_is_found() -> None:
    algorithm: Any = build('PPNAS', 'ppconv').train().to('meta')
    algorithm.leaving = torch.zeros(algorithm.leaving.shape)
    with on_meta(), pytest.raises(RuntimeError, match=r'expected device|same device'):
        algorithm.arch_losses()


@pytest.mark.parametrize('name', NETWORKS)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_forwards_compute_in_half_on_a_gpu(name: str, dtype: torch.dtype) -> None:
    net = build_network(name).eval()
    with fake_cuda():
        to_fake_cuda(net)
        x = torch.randn(2, 3, 64, 64, device='cuda')
        try:
            with torch.autocast('cuda', dtype):
                mixed = net(x)
        except RuntimeError as error:
            if 'not linked with support for cuda' not in str(error):
                raise
            pytest.skip("torch's CPU build computes only some operations of fake CUDA tensors")
        assert {(y.device.type, y.dtype) for y in mixed} == {('cuda', dtype)}
