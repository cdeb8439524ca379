"""One backward pass, two optimizers: what each owns, and one step computed by hand."""

import copy
from typing import Any

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from tasks import classifier, classifier_batch, search_optimizers
from torch import Tensor, nn
from zoo import SPACES

from ppnas_mm.algorithms import PPNAS, RandomSearch, SearchAlgorithm
from ppnas_mm.engine import SearchOptimConstructor


def ppnas(seed: int = 0) -> PPNAS:
    torch.manual_seed(seed)
    return PPNAS(classifier({**SPACES['ppconv'], 'ops': ('identity', 'conv_1x1')})).train()


def owned(wrapper: Any) -> list[nn.Parameter]:
    return [p for group in wrapper.optimizer.param_groups for p in group['params']]


def gradients(algorithm: SearchAlgorithm, *batches: dict) -> dict[str, Tensor]:
    """Gradients of the mean total loss, by autograd on a copy."""
    twin = copy.deepcopy(algorithm)
    total: Any = 0
    for batch in batches:
        data = twin.data_preprocessor(batch, True)
        losses = twin(**data, mode='loss')
        assert sorted(losses) == ['loss_arch_l2', 'loss_connection', 'loss_task', 'loss_zero_one']
        total = total + sum(losses.values()) / len(batches)
    names = [n for n, p in twin.named_parameters()]
    found = torch.autograd.grad(total, list(twin.parameters()))
    return dict(zip(names, found, strict=True))


def values(algorithm: SearchAlgorithm) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in algorithm.named_parameters()}


def is_arch(name: str) -> bool:
    return '.arch.' in name


def assert_moved(algorithm: SearchAlgorithm, before: dict, expected: dict) -> None:
    """Each parameter moved by minus the expected step."""
    for name, value in values(algorithm).items():
        torch.testing.assert_close(value, before[name] - expected[name], rtol=1e-4, atol=1e-5)


# -- who owns what ---------------------------------------------------------------------------------


@pytest.mark.parametrize('paramwise', [None, {'norm_decay_mult': 0.0}])
def test_the_two_sets_are_disjoint_and_complete(paramwise: dict | None) -> None:
    algorithm = ppnas()
    part = {'optimizer': {'type': 'SGD', 'lr': 0.1, 'weight_decay': 0.1}}
    wrapper = search_optimizers(algorithm, weights={**part, 'paramwise_cfg': paramwise})
    weights, arch = owned(wrapper['weights']), owned(wrapper['arch'])
    assert len({id(p) for p in weights + arch}) == len(weights) + len(arch)
    assert {id(p) for p in weights + arch} == {id(p) for p in algorithm.parameters()}
    assert {id(p) for p in arch} == {id(p) for n, p in algorithm.named_parameters() if is_arch(n)}


def test_paramwise_settings_reach_the_weights() -> None:
    algorithm = ppnas()
    optimizer = {'type': 'SGD', 'lr': 0.1, 'weight_decay': 0.01}
    paramwise = {'norm_decay_mult': 0.0, 'custom_keys': {'head': {'lr_mult': 10}}}
    wrapper = search_optimizers(
        algorithm, weights={'optimizer': optimizer, 'paramwise_cfg': paramwise}
    )
    settings = {
        id(p): (group['lr'], group['weight_decay'])
        for group in wrapper['weights'].optimizer.param_groups
        for p in group['params']
    }
    seen = set()
    for name, module in algorithm.named_modules():
        for parameter in module.parameters(recurse=False):
            if '.arch' in name:
                assert id(parameter) not in settings
                continue
            norm, head = isinstance(module, nn.BatchNorm2d), 'head' in name
            expected = (1.0 if head else 0.1, 0.0 if norm else 0.01)
            assert settings[id(parameter)] == pytest.approx(expected), name
            seen.add(expected)
    assert len(seen) == 3


def test_a_wrapped_model_is_unwrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = ppnas()
    monkeypatch.setattr(
        MMDistributedDataParallel, '__init__', lambda self: nn.Module.__init__(self)
    )
    wrapped = MMDistributedDataParallel()
    wrapped.module = algorithm
    wrapper = search_optimizers(wrapped)
    assert len(owned(wrapper['arch'])) == len(algorithm.arch_parameters())


SGD = {'optimizer': {'type': 'SGD', 'lr': 0.1}}


@pytest.mark.parametrize(
    ('config', 'pattern'),
    [
        ({'weights': SGD}, 'arch'),
        ({'arch': SGD}, 'weights'),
        ({'weights': SGD, 'arhc': SGD}, 'arhc'),
        ({'weights': SGD, 'arch': SGD, 'clip_grad': None}, 'clip_grad'),
        ({**SGD, 'type': 'OptimWrapper'}, 'weights'),
        ({}, 'weights'),
    ],
)
def test_other_parts_are_refused(config: dict, pattern: str) -> None:
    with pytest.raises(KeyError, match=pattern):
        SearchOptimConstructor(config)(ppnas())


def test_paramwise_settings_belong_into_the_weights() -> None:
    with pytest.raises(KeyError, match='paramwise_cfg'):
        SearchOptimConstructor({'weights': SGD, 'arch': SGD}, {'norm_decay_mult': 0})


@pytest.mark.parametrize('part', ['weights', 'arch'])
@pytest.mark.parametrize(
    'extra', [{'clip_gard': {'max_norm': 1}}, {'optimizer': {'type': 'SGD', 'lrr': 1}}]
)
def test_misspelt_settings_do_not_pass(part: str, extra: dict) -> None:
    with pytest.raises((KeyError, TypeError)):
        search_optimizers(ppnas(), **{part: extra})


# -- one step --------------------------------------------------------------------------------------


def test_one_backward_pass_trains_both(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = ppnas()
    wrapper = search_optimizers(
        algorithm, weights={'optimizer': {'type': 'SGD', 'lr': 0.05, 'weight_decay': 0.3}}
    )
    batch = classifier_batch()
    slopes, before = gradients(algorithm, copy.deepcopy(batch)), values(algorithm)
    calls, real = [], torch.autograd.backward
    monkeypatch.setattr(
        torch.autograd, 'backward', lambda *a, **k: calls.append(1) or real(*a, **k)
    )
    algorithm.train_step(batch, wrapper)
    assert len(calls) == 1
    # weight decay acts on the weights only; the architecture has its own learning rate
    steps = {n: 0.5 * g if is_arch(n) else 0.05 * (g + 0.3 * before[n]) for n, g in slopes.items()}
    assert_moved(algorithm, before, steps)
    assert all(float(s.abs().max()) > 0 for s in steps.values())
    assert all(p.grad is None or not p.grad.any() for p in algorithm.parameters())


def test_clipping_acts_on_the_weights_only() -> None:
    algorithm = ppnas()
    wrapper = search_optimizers(algorithm, weights={'clip_grad': {'max_norm': 0.01}})
    batch = classifier_batch()
    slopes, before = gradients(algorithm, copy.deepcopy(batch)), values(algorithm)
    norm = sum(float((g**2).sum()) for n, g in slopes.items() if not is_arch(n)) ** 0.5
    assert norm > 0.1
    algorithm.train_step(batch, wrapper)
    steps = {n: 0.5 * g if is_arch(n) else 0.05 * g * (0.01 / norm) for n, g in slopes.items()}
    assert_moved(algorithm, before, steps)


def test_accumulated_gradients_are_one_step() -> None:
    algorithm = ppnas()
    for module in algorithm.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    wrapper = search_optimizers(algorithm, weights={'accumulative_counts': 2})
    wrapper.initialize_count_status(algorithm, 0, 100)
    batches = [classifier_batch(seed=s) for s in (1, 2)]
    slopes, before = gradients(algorithm, *copy.deepcopy(batches)), values(algorithm)
    algorithm.train_step(batches[0], wrapper)
    assert_moved(algorithm, before, {n: torch.zeros_like(g) for n, g in slopes.items()})
    algorithm.train_step(batches[1], wrapper)
    assert_moved(
        algorithm, before, {n: (0.5 if is_arch(n) else 0.05) * g for n, g in slopes.items()}
    )


# -- a loss scaler (mixed precision), with torch's CPU scaler --------------------------------------


def scaled(algorithm: SearchAlgorithm, monkeypatch: pytest.MonkeyPatch, **parts: Any) -> Any:
    """Both optimizers under mmengine's AMP wrapper, its CUDA scaler replaced by a CPU one."""
    module = 'mmengine.optim.optimizer.amp_optimizer_wrapper'
    monkeypatch.setattr(f'{module}.is_cuda_available', lambda: True)
    weights = {'type': 'AmpOptimWrapper', **parts.pop('weights', {})}
    wrapper = search_optimizers(algorithm, weights=weights, **parts)
    wrapper['weights'].loss_scaler = torch.amp.GradScaler('cpu', init_scale=1024.0)
    return wrapper


def total_loss(algorithm: SearchAlgorithm, batch: dict) -> Tensor:
    data = algorithm.data_preprocessor(batch, True)
    return sum(v for k, v in algorithm(**data, mode='loss').items() if 'loss' in k)


@pytest.mark.parametrize('clip', [None, 0.02])
def test_a_loss_scaler_changes_no_step(clip: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = ppnas()
    part = {'clip_grad': {'max_norm': clip}} if clip else {}
    wrapper = scaled(algorithm, monkeypatch, weights=part, arch=part)
    batch = classifier_batch()
    slopes, before = gradients(algorithm, copy.deepcopy(batch)), values(algorithm)
    steps = {}
    for kind, rate in ((True, 0.5), (False, 0.05)):
        mine = {n: g for n, g in slopes.items() if is_arch(n) == kind}
        norm = sum(float((g**2).sum()) for g in mine.values()) ** 0.5
        assert norm > 0.02
        steps.update({n: rate * g * (clip / norm if clip else 1) for n, g in mine.items()})
    wrapper.update_params(total_loss(algorithm, batch))
    assert_moved(algorithm, before, steps)


def test_an_overflow_skips_both_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = ppnas()
    wrapper = scaled(algorithm, monkeypatch)
    before = values(algorithm)
    loss = total_loss(algorithm, classifier_batch())
    head = next(p for n, p in algorithm.named_parameters() if 'head' in n and p.ndim == 2)
    head.register_hook(lambda grad: grad * float('inf'))
    wrapper.update_params(loss)
    assert_moved(algorithm, before, {n: torch.zeros_like(v) for n, v in before.items()})
    assert wrapper['weights'].loss_scaler.get_scale() == 512


def test_random_search_trains_under_a_loss_scaler(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    algorithm = RandomSearch(classifier(SPACES['ppconv']), seed=0).train()
    wrapper = scaled(algorithm, monkeypatch)
    before = values(algorithm)
    wrapper.update_params(total_loss(algorithm, classifier_batch()))
    moved = {n for n, v in values(algorithm).items() if not torch.equal(v, before[n])}
    assert moved and not any(map(is_arch, moved))
