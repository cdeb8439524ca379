"""GDAS: temperatures, draws, gradients and what is computed, against plain formulas."""

import numpy as np
import pytest
import torch
from drawn import NET, build
from tasks import classifier_batch, search_optimizers
from zoo import count_multiplications, images

from ppnas_mm.algorithms.cdarts.networks import captured
from ppnas_mm.algorithms.gdas import Temperature
from ppnas_mm.algorithms.score_function import gumbel
from ppnas_mm.benchmarks.plain import every_operation


def test_the_temperatures_of_the_papers() -> None:
    ours = Temperature(5.0, 5 * 0.965**139, 160, 'exponential', hold=20)
    for epoch in range(1, 161):  # the authors count from 0
        code = 5.0 if epoch - 1 < 20 else 5 * 0.965 ** (epoch - 1 - 20)
        assert ours(epoch) == pytest.approx(code, rel=1e-9)
    assert ours(160) == pytest.approx(0.035, abs=5e-4) and ours(500) == ours(160)
    assert build(warmup_epochs=20, slimming=True).temperature == ours
    gdas = Temperature()
    assert [gdas(1), gdas(250)] == [10.0, pytest.approx(0.1)]
    assert gdas(126) == pytest.approx(10 - 9.9 * 125 / 249)
    assert build('GDAS').temperature == gdas


@pytest.mark.parametrize('now', [0.04, 1.0, 5.0])
def test_draws_have_the_probabilities_of_the_softmax(now: float) -> None:
    algorithm = build(net={**NET, 'ops': ('skip_connect', 'sep_conv_3x3', 'none')})
    algorithm.now = now
    shares = torch.tensor([0.7, 0.2, 0.1])
    with torch.no_grad():
        for parameter in algorithm.super_net.arch.values():
            parameter.copy_(shares.log() + 3.0)
    drawn = torch.stack([algorithm.draw(False)[1] for _ in range(300)]).flatten()
    found = torch.bincount(drawn, minlength=3) / len(drawn)  # of 8,400 draws
    torch.testing.assert_close(found, shares, atol=0.02, rtol=0)


def test_the_gradient_of_a_draw_is_that_of_the_straight_through_softmax() -> None:
    algorithm = build().double()
    generator = torch.Generator().manual_seed(0)
    for parameter in algorithm.super_net.arch.values():
        parameter.data = torch.randn(8, generator=generator, dtype=torch.double)
    before = algorithm.draws.state.clone()
    mixture, drawn = algorithm.draw(True)
    algorithm.draws.state.copy_(before)
    noise = gumbel(algorithm.draws, torch.Size((28, 8))).double()
    for row, choice in enumerate(algorithm.table.choices):
        alpha = algorithm.super_net.arch[choice.name]
        kept, value = mixture(choice, alpha, tuple(range(8)))
        assert kept == (int(drawn[row]),) and float(value) == pytest.approx(1, abs=1e-12)
        (ours,) = torch.autograd.grad(value, alpha, retain_graph=True)
        # eq. 5 and its derivative by hand: dp_i / d alpha_o = p_i ([i = o] - p_o) / T
        z = (alpha.detach() - alpha.detach().logsumexp(0) + noise[row]) / algorithm.now
        p = (z - z.logsumexp(0)).exp()
        assert int(z.argmax()) == kept[0]
        plain = p[kept[0]] * (torch.eye(8)[kept[0]].double() - p) / algorithm.now
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-12)


def test_soft_weights_are_those_of_equation_5() -> None:
    algorithm = build(hard=False)
    algorithm.super_net.prune('normal/node2/op0', 3)
    before = algorithm.draws.state.clone()
    mixture, _ = algorithm.draw(True)
    algorithm.draws.state.copy_(before)
    noise = gumbel(algorithm.draws, torch.Size((28, 8)))
    choice = algorithm.super_net.choices['normal/node2/op0']
    alive = (0, 1, 2, 4, 5, 6, 7)
    kept, value = mixture(choice, algorithm.super_net.arch[choice.name], alive)
    row = algorithm.table.choices.index(choice)
    torch.testing.assert_close(value, (noise[row][list(alive)] / algorithm.now).softmax(0))
    assert kept == alive and value.requires_grad


def test_what_is_drawn_equals_computing_every_operation() -> None:
    """Outputs, and gradients of weights and alpha, against all operations times one-hot scales."""
    results = []
    for plain in (False, True):
        algorithm = build(seed=3).double()
        data = algorithm.half({'val': classifier_batch()}, 'val')
        data['inputs'] = data['inputs'].double()
        if plain:
            with every_operation():
                loss = algorithm.drawn_loss(data, True)[0]
        else:
            loss = algorithm.drawn_loss(data, True)[0]
        loss.backward()
        named = dict(algorithm.named_parameters())
        results.append((loss, {n: p.grad for n, p in named.items()}))
    (one, mine), (two, theirs) = results
    torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)
    assert sum(g is not None for g in mine.values()) < sum(g is not None for g in theirs.values())
    for name, gradient in theirs.items():
        other = mine[name] if mine[name] is not None else torch.zeros_like(gradient)
        torch.testing.assert_close(other, gradient, rtol=1e-6, atol=1e-9, msg=name)


def test_only_what_is_drawn_is_computed() -> None:
    algorithm = build().eval()
    x = images(1, 3, 32, 32)
    counts = []
    for op in (5, 7):  # dil_conv_3x3 on all edges, none on all edges
        with torch.no_grad():
            for parameter in algorithm.super_net.arch.values():
                parameter.copy_(50.0 * torch.eye(8)[op])
        algorithm.super_net.mixture = algorithm.draw(False)[0]
        counts.append(count_multiplications(algorithm.super_net, x))
    stem_and_preprocessing = counts[1]
    algorithm.super_net.mixture = algorithm.draw(False)[0]
    # 14 edges a cell, depthwise 3x3 and pointwise; 4, 8 and 16 channels (cuts at cells 1 and 2)
    per_pixel = [14 * (9 * c + c * c) for c in (4, 8, 16)]
    pixels = [32 * 32, 16 * 16, 8 * 8]
    assert counts[0] - stem_and_preprocessing == sum(np.multiply(per_pixel, pixels))


def test_a_draw_that_cuts_every_way_changes_no_alpha() -> None:
    net = {'type': 'ppnas_mm.NASBench201SuperNet', 'cells_per_stage': 1, 'init_channels': 4}
    algorithm = build('GDAS', net)
    with torch.no_grad():
        for name, parameter in algorithm.super_net.arch.items():
            none = algorithm.super_net.choices[name].candidates.index('none')
            parameter[none] += 60
    before = {n: p.clone() for n, p in algorithm.arch_parameters().items()}
    optimizers = search_optimizers(algorithm)
    bias = algorithm.model.head.fc.bias.clone()
    for step in range(2):
        batch = {half: classifier_batch(seed=step) for half in algorithm.uses}
        logs = algorithm.train_step(batch, optimizers)
        assert all(torch.isfinite(v) for v in logs.values())
    assert all(torch.equal(p, before[n]) for n, p in algorithm.arch_parameters().items())
    assert not torch.equal(algorithm.model.head.fc.bias, bias)


def test_the_super_net_predicts_with_operations_that_can_be_kept() -> None:
    algorithm = build()
    with torch.no_grad():
        for parameter in algorithm.super_net.arch.values():
            parameter.copy_(torch.tensor([0.0, 0, 0, 2, 0, 0, 0, 9]))  # none, then sep_conv_3x3
    algorithm.eval()
    mine = algorithm.super_net(images(1, 3, 32, 32))
    with torch.no_grad():
        for parameter in algorithm.super_net.arch.values():
            parameter[7] = -9
    assert all(torch.equal(a, b) for a, b in zip(
        mine, algorithm.super_net(images(1, 3, 32, 32)), strict=True))  # fmt: skip
    assert float(mine[-1].std()) > 0


def test_the_accuracy_is_the_heads_or_the_likelihood() -> None:
    for accuracy in ('head', 'loss'):
        algorithm = build('GDAS', accuracy=accuracy)
        data = algorithm.half({'val': classifier_batch(number=5)}, 'val')
        with captured(algorithm.model, ['head.fc']) as outputs:
            loss, found, _ = algorithm.drawn_loss(data, True)
        right = (outputs['head.fc'].argmax(1) == torch.tensor([0, 1, 2, 0, 1])).double().mean()
        expected = 100 * right if accuracy == 'head' else 100 * torch.exp(-loss.detach())
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(ValueError, match="accuracy='x'"):
        build('GDAS', accuracy='x')
