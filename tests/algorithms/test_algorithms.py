"""Every search algorithm: it trains, decides and derives with every space; random search."""

import copy
from typing import Any

import pytest
import torch
from searches import REFUSAL, batch_for, build, every_algorithm, some_images
from tasks import PYRAMIDS, TASKS, classifier, classifier_batch, search_optimizers
from zoo import SPACES, algorithms, build_super_net, count_multiplications, images, scramble

from ppnas_mm.algorithms import RandomSearch
from ppnas_mm.engine.derive import derive_model
from ppnas_mm.genotype import Genotype
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed


def test_the_registry_holds_the_algorithms() -> None:
    assert set(algorithms()) >= {'PPNAS', 'RandomSearch'}


@every_algorithm
def test_every_algorithm_trains_and_derives_in_every_space(name: str, space: str) -> None:
    algorithm = build(name, space)
    algorithm.init_weights()
    algorithm.train()
    optimizers = search_optimizers(algorithm)
    before = copy.deepcopy(algorithm.model.state_dict())
    for step in range(2):
        algorithm.before_epoch(step + 1)
        batch = some_images(algorithm, seed=step)
        logs = algorithm.train_step(batch, optimizers)
        losses = {k: v for k, v in logs.items() if 'loss' in k}
        assert 'loss' in losses and len(losses) >= 2
        assert all(torch.isfinite(torch.as_tensor(v)).all() for v in losses.values())
    algorithm.after_epoch(1)
    after = algorithm.model.state_dict()
    assert any(not torch.equal(before[k], v) for k, v in after.items() if k.startswith('head.'))
    genotype = algorithm.derive(strict=False, provenance={'note': 'x'})
    assert genotype.space == space and genotype.provenance == {'note': 'x'}
    assert algorithm.super_net.to_path(genotype) == dict(algorithm.decide(strict=False))
    distribution = algorithm.distribution()
    for choice, values in distribution.items():
        assert len(values) == len(algorithm.super_net.choices[choice].candidates)
        assert all(0 <= v <= 1 for v in values)


@every_algorithm
def test_derived_models_predict_as_the_one_hot_super_net(name: str, space: str) -> None:
    algorithm = scramble(build(name, space)).eval()
    genotype = algorithm.derive(strict=False)
    derived = derive_model(algorithm, genotype)
    assert not derived.training and type(derived) is type(algorithm.model)
    source: Any = algorithm.inherited[0]
    for model in (source, algorithm.model):
        model.backbone.mixture = Fixed(algorithm.super_net.to_path(genotype))
    x = images(2, 3, 16, 16)
    with torch.no_grad():
        expected, logits = source(x, mode='tensor'), derived(x, mode='tensor')
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    assert float(logits.std()) > 0
    ours = source.val_step(classifier_batch(size=16))
    theirs = derived.test_step(classifier_batch(size=16))
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.pred_score, two.pred_score, rtol=1e-4, atol=1e-4)
    assert [s.pred_label for s in algorithm.test_step(classifier_batch(size=16))]


@every_algorithm
def test_a_state_continues_the_search(name: str, space: str) -> None:
    kwargs: dict[str, Any] = {'seed': 3} if name == 'RandomSearch' else {}
    runs = []
    for _ in range(2):
        algorithm = build(name, space, torch_seed=1, **kwargs).train()
        runs.append((algorithm, search_optimizers(algorithm)))
        algorithm.before_epoch(2)  # of CDARTS, the epoch in which all parts learn
    (one, one_optimizers), (two, two_optimizers) = runs
    for step in range(2):
        torch.manual_seed(step)
        one.train_step(some_images(one, seed=step), one_optimizers)
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    two_optimizers.load_state_dict(copy.deepcopy(one_optimizers.state_dict()))
    for algorithm, optimizers in runs:
        torch.manual_seed(7)
        batch = some_images(algorithm, seed=7)
        algorithm.train_step(batch, optimizers)
    for (key, ours), theirs in zip(
        one.state_dict().items(), two.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), key


@every_algorithm
@pytest.mark.parametrize('library', TASKS)
@pytest.mark.parametrize('space', PYRAMIDS)
def test_the_same_algorithm_searches_in_three_libraries(
    name: str, library: str, space: str
) -> None:
    model, batch = TASKS[library]
    if name == 'CDARTS' and library != 'mmpretrain':
        pytest.skip(
            'needs logits of classes; tests/algorithms/test_cdarts.py searches in a segmentor'
        )
    algorithm = build(name, space, config=model(PYRAMIDS[space]))
    algorithm.init_weights()
    algorithm.train()
    optimizers = search_optimizers(algorithm, weights={'clip_grad': {'max_norm': 5}})
    arch = {n: p.clone() for n, p in algorithm.arch_parameters().items()}
    for step in range(2):
        algorithm.before_epoch(step + 1)
        data = batch(size=128 if name == 'CDARTS' else 64, seed=step)
        logs = algorithm.train_step(batch_for(algorithm, data), optimizers)
        losses = {k: v for k, v in logs.items() if 'loss' in k}
        assert len(losses) >= 2
        assert all(torch.isfinite(torch.as_tensor(v)).all() for v in losses.values())
    if any(p.requires_grad for p in algorithm.arch_parameters().values()):
        moved = [n for n, p in algorithm.arch_parameters().items() if not torch.equal(arch[n], p)]
        assert moved == list(arch)
    genotype = algorithm.derive(strict=False)
    derived = derive_model(algorithm, genotype)
    assert type(derived) is type(algorithm.model)
    assert derived.backbone.genotype == genotype
    assert derived.backbone.feature_info == algorithm.super_net.feature_info


@every_algorithm
def test_a_model_without_a_super_net_is_refused(name: str) -> None:
    config = classifier({'type': 'ppnas_mm.PPResNetCIFAR', 'depth': 11, 'base_channels': 8})
    given: dict[str, Any] = {
        'CDARTS': {'evaluation': {}, 'classes': 3, 'pools': ()},
        'TableSearch': {'table': 'none.csv', 'dataset': 'cifar10'},
    }.get(name, {})
    with pytest.raises(TypeError, match=r'super-net.*PPResNetCIFAR'):
        MODELS.build({'type': f'ppnas_mm.{name}', 'model': config, **given})


@every_algorithm
def test_configs_are_left_alone(name: str, space: str) -> None:
    config = classifier(SPACES[space])
    before = copy.deepcopy(config)
    algorithm = build(name, space, config=config)
    derive_model(algorithm, algorithm.derive(strict=False))
    assert config == before
    algorithm.model_config['backbone']['type'] = 'another'
    assert config == before


@every_algorithm
def test_the_preprocessor_of_the_whole_is_passed_on(name: str, space: str) -> None:
    config = classifier(SPACES[space])
    preprocessor = {**config.pop('data_preprocessor'), 'mean': [100.0] * 3}
    algorithm = build(name, space, config=config, data_preprocessor=preprocessor)
    assert algorithm.data_preprocessor is algorithm.model.data_preprocessor
    assert algorithm.data_preprocessor.mean.flatten().tolist() == [100.0] * 3
    derived = derive_model(algorithm, algorithm.derive(strict=False))
    assert derived.data_preprocessor.mean.flatten().tolist() == [100.0] * 3


# -- random search ---------------------------------------------------------------------------------


def test_random_search_trains_one_architecture(space: str) -> None:
    algorithm = build('RandomSearch', space, seed=5)
    genotype = algorithm.derive()
    arch = {n: p.clone() for n, p in algorithm.arch_parameters().items()}
    optimizers = search_optimizers(algorithm.train())
    for step in range(2):
        algorithm.train_step(classifier_batch(seed=step), optimizers)
        algorithm.after_epoch(step + 1)
    assert algorithm.derive() == algorithm.derive(strict=False) == genotype
    for name, parameter in algorithm.arch_parameters().items():
        assert torch.equal(parameter, arch[name]) and parameter.grad is None
    data = algorithm.data_preprocessor(classifier_batch(), True)
    algorithm(**data, mode='loss')['loss_task'].backward()
    trained = [p for p in algorithm.parameters() if p.requires_grad]
    assert trained and all(p.grad is not None for p in trained)


def test_random_search_computes_only_what_it_drew(space: str) -> None:
    algorithm = build('RandomSearch', space).eval()
    derived = derive_model(algorithm, algorithm.derive())
    x = images(1, 3, 16, 16)
    calls = count_multiplications(algorithm.super_net, x)
    assert calls == count_multiplications(derived.backbone, x)
    # and holds nothing else
    own = sum(p.numel() for p in algorithm.model.parameters())
    architecture = sum(p.numel() for p in algorithm.arch_parameters().values())
    assert own - architecture == sum(p.numel() for p in derived.parameters())


def test_random_search_follows_its_seed(space: str) -> None:
    def draw(process_seed: int, **kwargs: Any) -> Genotype:
        return build('RandomSearch', space, torch_seed=process_seed, **kwargs).derive(strict=False)

    assert draw(0, seed=4) == draw(1, seed=4)
    assert draw(0, seed=4) != draw(0, seed=5)
    assert draw(2) == draw(2) != draw(3)


def free_gates(space: str) -> bool:
    """Whether the nodes of a space read any of their inputs, as many as they like."""
    net = build_super_net(space)
    return any(choice.gates and choice.keep is None for choice in net.choices.values())


@pytest.mark.parametrize('space', [space for space in sorted(SPACES) if free_gates(space)])
def test_constrained_random_search_drops_no_input(space: str) -> None:
    dropped = {True: 0, False: 0}
    for constrained in dropped:
        for seed in range(4):
            algorithm = RandomSearch(classifier(SPACES[space]), seed=seed, constrained=constrained)
            for cell in algorithm.derive(strict=False).cells:
                read = {i for edges in cell.nodes for edge in edges for i in edge.sources}
                dropped[constrained] += len(set(range(cell.inputs)) - read)
    assert dropped[True] == 0 < dropped[False]


def test_constrained_random_search_draws_no_degenerate_architecture(space: str) -> None:
    for seed in range(4):
        algorithm = build('RandomSearch', space, seed=seed)
        algorithm.super_net.check(algorithm.decide(strict=True))


def test_ppnas_takes_spaces_with_free_learned_gates_only(space: str) -> None:
    config = {'type': 'ppnas_mm.PPNAS', 'model': classifier(SPACES[space])}
    if free_gates(space):
        MODELS.build(config)
        return
    with pytest.raises(ValueError, match=f"{REFUSAL}.*'{space}'"):
        MODELS.build(config)
