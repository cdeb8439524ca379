"""The best of random architectures by scores that need no training, against all of the draws."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from oneshot import CHAIN, batches
from super_nets import derive
from tasks import classifier, search_optimizers
from zoo import SPACES, count_multiplications, images

from ppnas_mm.algorithms import UntrainedSearch, ZeroCostSearch, zero_cost
from ppnas_mm.algorithms.proxies import naswot, synflow
from ppnas_mm.algorithms.untrained import draw_within
from ppnas_mm.costs.limits import ConstraintError, Limits
from ppnas_mm.engine.derive import derive_model
from ppnas_mm.genotype import Genotype
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed

SHAPE = (3, 16, 16)
NET = SPACES['nasbench-macro']


def build(score: str, net: dict = NET, torch_seed: int = 0, **kwargs: Any) -> Any:
    """A search with two batches of images."""
    torch.manual_seed(torch_seed)
    given = {'type': 'ppnas_mm.ZeroCostSearch', 'model': classifier(net), 'score': score}
    if score in ('flops', 'synflow'):
        given['input_shape'] = SHAPE
    algorithm = MODELS.build({**given, 'draws': 12, 'seed': 3, **kwargs})
    algorithm.attach({'train': batches(1, 2), 'val': batches(51, 52)}, 0)
    return algorithm.train()


def drawn(algorithm: Any, seed: int, number: int) -> list[Genotype]:
    """The same draws, by the super-net's own dice; those that keep the limits."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0]))
    found: list[Genotype] = []
    while len(found) < number:
        genotype = algorithm.super_net.random_genotype(rng)
        if algorithm.limits.ok(algorithm.super_net.to_path(genotype)):
            found.append(genotype)
    return found


def independent(algorithm: Any, score: str) -> Any:
    """The score of a genotype by its network, built on its own."""

    def measure(genotype: Genotype) -> float:
        model = derive_model(algorithm, genotype)
        if score == 'params':
            return sum(p.numel() for p in model.parameters())
        if score == 'flops':
            return count_multiplications(model.backbone, images(1, *SHAPE))
        if score == 'synflow':
            return synflow(model.backbone, SHAPE)
        x = torch.cat([torch.stack(b['inputs']) for b in batches(1, 2)]).float()
        x = ((x - 128) / 64)[: algorithm.images]
        return naswot(derive(algorithm.super_net, genotype).train(), x)

    return measure


@pytest.mark.parametrize('largest', [True, False])
@pytest.mark.parametrize('score', ['params', 'flops', 'naswot', 'synflow'])
def test_the_best_of_the_draws_is_kept(score: str, largest: bool) -> None:
    algorithm = build(score, largest=largest, images=9)
    genotype = algorithm.derive()
    genotypes = drawn(algorithm, 3, 12)
    scores = [independent(algorithm, score)(g) for g in genotypes]
    assert len(set(scores)) > 6
    best = genotypes[(np.argmax if largest else np.argmin)(scores)]
    assert genotype == best
    # it is decided once, and says so
    assert algorithm.derive(strict=False) == best
    shares = algorithm.distribution()
    path = algorithm.super_net.to_path(best)
    for name, choice in algorithm.super_net.choices.items():
        assert shares[name] == [float(i in path[name]) for i in range(len(choice.candidates))]


def test_the_first_of_equals_is_kept() -> None:
    algorithm = build('params', draws=200)
    genotypes = drawn(algorithm, 3, 200)
    sizes = [independent(algorithm, 'params')(g) for g in genotypes[:1]]
    table = Limits(algorithm.model, params=1e12).tables['params']
    costs = [table(algorithm.super_net.to_path(g)) for g in genotypes]
    assert costs[0] == sizes[0]
    assert algorithm.derive() == genotypes[costs.index(max(costs))]


def test_equal_scores_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the authors' PP-ResNets have one size; free ones differ."""
    said: list[str] = []
    monkeypatch.setattr(zero_cost, 'print_log', lambda text, *_: said.append(text))
    sizes = {}
    for operations in ('authors', 'free'):
        for largest in (True, False):
            given = {'operations': operations, 'largest': largest}
            algorithm = build('params', SPACES['ppconv'], **given)
            genotype = algorithm.derive()
            sizes[operations, largest] = independent(algorithm, 'params')(genotype)
    assert sizes['authors', True] == sizes['authors', False]
    assert sizes['free', True] > sizes['free', False]
    equal = [text for text in said if text.startswith('all 12 have the score')]
    assert len(equal) == 2 and all("operations='free' draws others" in text for text in equal)


@pytest.mark.parametrize('net', [CHAIN, SPACES['ppconv'], SPACES['darts']],
                         ids=['chain', 'ppconv', 'darts'])  # fmt: skip
def test_any_space_can_be_searched(net: dict) -> None:
    algorithm = build('params', net)
    genotypes = drawn(algorithm, 3, 12)
    scores = [independent(algorithm, 'params')(g) for g in genotypes]
    assert algorithm.derive() == genotypes[int(np.argmax(scores))]
    path = algorithm.decide(strict=True)
    algorithm.super_net.check(path)
    with torch.no_grad():
        algorithm.super_net.using(Fixed(path))


def test_limits_are_kept() -> None:
    free = build('params', draws=50)
    table = Limits(free.model, params=1e12, flops=1e12, input_shape=SHAPE).tables
    paths = [free.super_net.to_path(g) for g in drawn(free, 3, 50)]
    most = float(np.median([table['params'](p) for p in paths]))
    least = float(np.quantile([table['flops'](p) for p in paths], 0.2))
    limits = dict(params=most, flops=(least, None), input_shape=SHAPE)
    algorithm = build('params', draws=30, limits=limits)
    genotypes = drawn(algorithm, 3, 30)
    scores = [independent(algorithm, 'params')(g) for g in genotypes]
    assert max(scores) <= most
    genotype = algorithm.derive()
    assert genotype == genotypes[int(np.argmax(scores))]
    model = derive_model(algorithm, genotype)
    assert sum(p.numel() for p in model.parameters()) <= most
    assert count_multiplications(model.backbone, images(1, *SHAPE)) + 3 * 24 >= least


def test_limits_that_no_draw_keeps_are_an_error() -> None:
    """Each on its own can be satisfied, and so passes the check at the start."""
    free = build('params')
    table = Limits(free.model, params=1e12).tables['params']
    least, most = Limits(free.model, params=1)._range(
        table, {n: free.super_net.keepable(n) for n in free.super_net.choices}
    )
    path = free.super_net.to_path(drawn(free, 3, 1)[0])
    gap = table(path) + 0.25
    algorithm = build('params', limits={'params': (gap, gap + 0.5)})
    with pytest.raises(ConstraintError, match=r'none of 10,000 draws is within .*params [\d,.e+]+'):
        algorithm.derive()
    with pytest.raises(ConstraintError):
        build('params', limits={'params': least - 1})
    assert draw_within(free.super_net, np.random.default_rng(0), Limits(free.model, params=most))


def test_seeds_repeat() -> None:
    def found(torch_seed: int, **kwargs: Any) -> Genotype:
        return build('naswot', draws=3, torch_seed=torch_seed, **kwargs).derive()

    assert found(0) == found(0)
    assert build('params', draws=1, torch_seed=0).derive() == build('params', draws=1).derive()
    ones = [build('params', draws=1, seed=s).derive() for s in range(5)]
    assert len(set(ones)) == 5
    # without a seed it is that of the search
    later = [build('params', draws=1, seed=None, torch_seed=t).derive() for t in (0, 0, 1)]
    assert later[0] == later[1] != later[2]


def test_a_state_holds_the_choice() -> None:
    one, two = build('params'), build('params', seed=8)
    assert one.derive() != two.derive()
    two = build('params', seed=8)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    two.choose = None  # is not asked again
    assert two.derive() == one.derive()


def test_scoring_changes_no_weights() -> None:
    for score in ('naswot', 'synflow'):
        algorithm = build(score, draws=3)
        weights = {n: p.clone() for n, p in algorithm.named_parameters()}
        mixture = algorithm.super_net.mixture
        algorithm.derive()
        assert algorithm.super_net.mixture is mixture
        for name, parameter in algorithm.named_parameters():
            assert torch.equal(parameter, weights[name]) and parameter.grad is None, name


def test_what_is_chosen_can_be_trained() -> None:
    algorithm = build('params')
    assert list(algorithm.optim_parts()) == ['weights'] and algorithm.uses == ('train',)
    assert not any(p.requires_grad for p in algorithm.arch_parameters().values())
    optimizers = search_optimizers(algorithm)
    before = {n: p.clone() for n, p in algorithm.super_net.named_parameters()}
    algorithm.before_epoch(1)
    algorithm.train_step({'train': batches(1)[0]}, optimizers)
    moved = {n for n, p in algorithm.super_net.named_parameters() if not torch.equal(before[n], p)}
    path, names = algorithm.decide(strict=True), algorithm.super_net.choices
    chosen = {(n, names[n].candidates[i]) for n, (i,) in path.items()}
    for name in moved:
        ops = [part for part in name.split('.') if part in NET.get('ops', ()) or 'mbconv' in part]
        assert not ops or any(op == ops[0] for _, op in chosen), name
    assert moved


def test_defaults() -> None:
    algorithm = MODELS.build({'type': 'ppnas_mm.ZeroCostSearch', 'model': classifier(NET)})
    assert (algorithm.score, algorithm.number, algorithm.largest) == ('naswot', 150, True)
    assert isinstance(algorithm, UntrainedSearch) and algorithm.images == 64


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'score': 'luck'}, "score='luck'.*expected one of .*'naswot'"),
        ({'draws': 0}, 'draws=0'),
        ({'operations': 'all'}, "operations='all': expected 'authors' or 'free'"),
        ({'images': 1}, 'images=1'),
        ({'score': 'flops'}, r"score='flops' needs input_shape=\(channels, height, width\)"),
        ({'score': 'synflow'}, r"score='synflow' needs input_shape"),
    ],
)
def test_wrong_options_are_refused(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ZeroCostSearch(classifier(NET), **given)


def test_without_data_naswot_says_what_to_do() -> None:
    algorithm = ZeroCostSearch(classifier(NET), draws=2)
    with pytest.raises(TypeError, match=r"train_cfg=dict\(type='ppnas_mm.ChooseLoop'\)"):
        algorithm.derive()
