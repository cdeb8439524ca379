"""DARTS: alternating steps, and the second-order gradient against exact derivatives in float64."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample
from tasks import classifier, classifier_batch, search_optimizers
from torch.func import functional_call
from zoo import images

from ppnas_mm.algorithms import DARTS
from ppnas_mm.registry import MODELS

SMOOTH = {
    'type': 'ppnas_mm.DARTSSuperNet',
    'num_cells': 3,
    'init_channels': 2,
    'ops': ('avg_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'none'),
    'act_cfg': {'type': 'SiLU'},
}


def build(**kwargs: Any) -> Any:
    """DARTS around a tiny super-net without kinks."""
    torch.manual_seed(0)
    algorithm = MODELS.build({'type': 'ppnas_mm.DARTS', 'model': classifier(SMOOTH), **kwargs})
    algorithm.init_weights()
    with torch.no_grad():
        for parameter in algorithm.arch_parameters().values():
            parameter.normal_()
    return algorithm.train()


def batch(seed: int) -> dict[str, Any]:
    """A preprocessed batch in float64."""
    samples = [DataSample().set_gt_label(i % 3) for i in range(4)]
    return {'inputs': images(4, 3, 8, 8, seed=seed, dtype=torch.float64), 'data_samples': samples}


def loss_at(algorithm: Any, values: dict[str, torch.Tensor], data: dict[str, Any]) -> torch.Tensor:
    """The loss of the model with other weights and alpha."""
    arguments = (data['inputs'], data['data_samples'])
    return functional_call(algorithm.model, values, arguments, {'mode': 'loss'})['loss']


def exact_objective(algorithm: Any, alpha: dict, settings: dict[str, float], buffers: dict) -> Any:
    """L_val(w - xi (dL_train/dw + decay w + momentum b), alpha), differentiable in alpha."""
    weights = {
        n: p.detach().clone().requires_grad_()
        for n, p in algorithm.model.named_parameters()
        if '.arch.' not in n
    }
    inner = loss_at(algorithm, {**weights, **alpha}, batch(1))
    gradients = torch.autograd.grad(inner, list(weights.values()), create_graph=True)
    ahead = {
        n: w
        - settings['lr'] * (g + settings['weight_decay'] * w + settings['momentum'] * buffers[n])
        for (n, w), g in zip(weights.items(), gradients, strict=True)
    }
    return loss_at(algorithm, {**ahead, **alpha}, batch(2))


def test_the_second_order_gradient_is_the_exact_one() -> None:
    settings = {'lr': 0.05, 'weight_decay': 0.01, 'momentum': 0.9}
    algorithm = build(order=2, epsilon=1e-5).double()
    named = {n: p for n, p in algorithm.model.named_parameters() if '.arch.' not in n}
    optimizer = torch.optim.SGD(named.values(), **settings)
    generator = torch.Generator().manual_seed(3)
    buffers = {}
    for name, parameter in named.items():
        buffers[name] = 0.01 * torch.randn(
            parameter.shape, generator=generator, dtype=torch.float64
        )
        optimizer.state[parameter]['momentum_buffer'] = buffers[name].clone()
    before = copy.deepcopy(algorithm.state_dict())
    found, loss = algorithm.unrolled_gradient(batch(1), batch(2), optimizer)
    for key, value in algorithm.state_dict().items():
        if not key.endswith(('running_mean', 'running_var', 'num_batches_tracked')):
            torch.testing.assert_close(value, before[key], rtol=0, atol=0)

    alpha = {
        n: p.detach().clone().requires_grad_()
        for n, p in algorithm.model.named_parameters()
        if '.arch.' in n
    }
    value = exact_objective(algorithm, alpha, settings, buffers)
    exact = torch.autograd.grad(value, list(alpha.values()))
    first = torch.autograd.grad(loss_at(algorithm, {**named, **alpha}, batch(2)), [*alpha.values()])
    torch.testing.assert_close(loss, value.detach())
    scale = float(torch.cat(exact).abs().max())
    for ours, theirs in zip(found, exact, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * scale)
    # the Hessian term matters: the first-order gradient is another one
    assert float((torch.cat(first) - torch.cat(exact)).abs().max()) > 1e-3 * scale

    # and the exact one is the slope of the objective, by central differences
    rng = np.random.default_rng(0)
    for name in rng.permutation(list(alpha))[:4]:
        for i in range(2):
            sides = []
            for step in (1e-5, -1e-5):
                moved = {n: p.detach().clone() for n, p in alpha.items()}
                moved[name][i] += step
                sides.append(float(exact_objective(algorithm, moved, settings, buffers).detach()))
            slope = (sides[0] - sides[1]) / 2e-5
            ours = float(found[list(alpha).index(name)][i])
            assert ours == pytest.approx(slope, rel=1e-3, abs=1e-4 * scale)


@pytest.mark.parametrize('lr', [0.05, 1e-6])
def test_the_finite_difference_moves_the_weights_by_epsilon(lr: float) -> None:
    """Eq. 8: w +- epsilon d / |d|, however short the slope d is."""
    algorithm = build(order=2, epsilon=0.02).double()
    weights = [p for n, p in algorithm.model.named_parameters() if '.arch.' not in n]
    optimizer = torch.optim.SGD(weights, lr=lr)
    start = torch.cat([p.detach().flatten() for p in weights])
    seen, real = [], algorithm.task_loss

    def watched(data: Any) -> torch.Tensor:
        seen.append(torch.cat([p.detach().flatten() for p in weights]) - start)
        return real(data)

    algorithm.task_loss = watched
    algorithm.unrolled_gradient(batch(1), batch(2), optimizer)
    here, ahead, plus, minus = seen
    assert not here.any() and ahead.any()
    torch.testing.assert_close(minus, -plus, rtol=1e-6, atol=1e-12)
    assert float(plus.norm()) == pytest.approx(0.02, rel=1e-9)


def test_weights_that_stand_still_have_no_hessian_term() -> None:
    algorithm = build(order=2).double()
    alpha = list(algorithm.arch_parameters().values())
    weights = [p for n, p in algorithm.model.named_parameters() if '.arch.' not in n]
    optimizer = torch.optim.SGD(weights, lr=0.0)
    found, _ = algorithm.unrolled_gradient(batch(1), batch(2), optimizer)
    expected = torch.autograd.grad(algorithm.task_loss(batch(2)), alpha)
    torch.testing.assert_close(found, list(expected))


@pytest.mark.parametrize('order', [1, 2])
def test_each_half_moves_its_own_parameters(order: int) -> None:
    algorithm = build(order=order)
    optimizers = search_optimizers(algorithm)
    steps: list[str] = []
    for name in ('weights', 'arch'):
        real = optimizers[name].optimizer.step

        def spy(*args: Any, name: str = name, real: Any = real, **kwargs: Any) -> None:
            owned = {id(p) for g in optimizers[name].param_groups for p in g['params']}
            for n, p in algorithm.named_parameters():
                assert (p.grad is None) or id(p) in owned, (name, n)
            steps.append(name)
            real(*args, **kwargs)

        optimizers[name].optimizer.step = spy
    data = {'train': classifier_batch(seed=0), 'val': classifier_batch(seed=1)}
    logs = algorithm.train_step(data, optimizers)
    assert steps == ['arch', 'weights']
    assert set(logs) == {'loss', 'loss_task', 'loss_val'}
    algorithm.warmup_epochs = 1
    algorithm.before_epoch(1)
    arch = {n: p.clone() for n, p in algorithm.arch_parameters().items()}
    algorithm.train_step({'train': data['train']}, optimizers)
    assert all(torch.equal(p, arch[n]) for n, p in algorithm.arch_parameters().items())
    algorithm.before_epoch(2)
    assert algorithm.uses == ('train', 'val')


def test_the_first_order_gradient_of_alpha_is_that_of_the_validation_loss() -> None:
    algorithm = build()
    twin = copy.deepcopy(algorithm)
    optimizers = search_optimizers(algorithm, arch={'optimizer': {'type': 'SGD', 'lr': 1.0}})
    data = {'train': classifier_batch(seed=0), 'val': classifier_batch(seed=1)}
    algorithm.train_step(data, optimizers)
    val = twin.data_preprocessor(data['val'], True)
    twin.model(**val, mode='loss')['loss'].backward()
    for name, parameter in algorithm.arch_parameters().items():
        theirs = twin.arch_parameters()[name]
        torch.testing.assert_close(parameter, theirs - theirs.grad)


@pytest.mark.parametrize(
    'optimizer',
    [
        {'type': 'Adam', 'lr': 0.1},
        {'type': 'SGD', 'lr': 0.1, 'momentum': 0.9, 'nesterov': True},
        {'type': 'SGD', 'lr': 0.1, 'momentum': 0.9, 'dampening': 0.1},
    ],
)
def test_only_plain_sgd_is_looked_ahead_along(optimizer: dict) -> None:
    algorithm = build(order=2)
    optimizers = search_optimizers(algorithm, weights={'optimizer': optimizer})
    data = {'train': classifier_batch(seed=0), 'val': classifier_batch(seed=1)}
    with pytest.raises(ValueError, match=f'along plain SGD; .* is {optimizer["type"]} with'):
        algorithm.train_step(data, optimizers)


def test_arguments_and_batches_are_checked() -> None:
    with pytest.raises(ValueError, match='order=3'):
        build(order=3)
    algorithm = build()
    with pytest.raises(TypeError, match='SearchLoop'):
        algorithm.train_step(classifier_batch(), search_optimizers(algorithm))
    assert isinstance(algorithm, DARTS)
