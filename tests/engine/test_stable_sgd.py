"""SGD with stable weight decay: against its update written out, and torch's SGD without decay."""

import pytest
import torch
from torch import Tensor, nn

from ppnas_mm.engine import StableSGD


def gradients(number: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(4, generator=generator, dtype=torch.float64) for _ in range(number)]


def steps(optimizer: torch.optim.Optimizer, weight: nn.Parameter, number: int = 6) -> Tensor:
    for gradient in gradients(number):
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach().clone()


@pytest.mark.parametrize('nesterov', [False, True])
def test_the_update_is_that_of_the_paper(nesterov: bool) -> None:
    weight = nn.Parameter(torch.arange(4.0, dtype=torch.float64))
    lr, momentum, decay = 0.1, 0.9, 0.02
    w, v = weight.detach().clone(), torch.zeros(4, dtype=torch.float64)
    for g in gradients(6):
        v = momentum * v + g
        w = (1 - lr * decay / (1 - momentum)) * w - lr * (g + momentum * v if nesterov else v)
    optimizer = StableSGD([weight], lr, momentum, decay, nesterov=nesterov)
    torch.testing.assert_close(steps(optimizer, weight), w, rtol=1e-12, atol=1e-12)
    assert optimizer.param_groups[0]['weight_decay'] == decay


def test_without_decay_it_is_sgd() -> None:
    one, two = (nn.Parameter(torch.ones(4, dtype=torch.float64)) for _ in range(2))
    found = steps(StableSGD([one], lr=0.1, momentum=0.9), one)
    assert torch.equal(found, steps(torch.optim.SGD([two], lr=0.1, momentum=0.9), two))


def test_groups_decay_by_their_own_rates() -> None:
    one, two = (nn.Parameter(torch.ones(2)) for _ in range(2))
    still = nn.Parameter(torch.ones(2))
    groups = [{'params': [one]}, {'params': [two], 'weight_decay': 0.0, 'lr': 0.5}]
    optimizer = StableSGD([*groups, {'params': [still]}], lr=0.1, momentum=0.5, weight_decay=0.2)
    for p in (one, two):
        p.grad = torch.zeros(2)
    optimizer.step()
    assert one.tolist() == pytest.approx([1 - 0.1 * 0.2 / 0.5] * 2)
    assert two.tolist() == [1, 1] and still.tolist() == [1, 1]
    with pytest.raises(ValueError, match=r'momentum=1\.0'):
        StableSGD([one], momentum=1.0)
