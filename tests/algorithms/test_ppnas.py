"""PP-NAS: its losses as loops, where they drive the connections, and what is derived from them."""

import math
import random
from typing import Any

import pytest
import torch
from ppnas_nets import PAPER_OPS, STAGES, Values, ppnas, randomise
from tasks import classifier, classifier_batch, search_optimizers
from zoo import SPACES

from ppnas_mm.algorithms import PPNAS
from ppnas_mm.genotype import DegenerateArchitectureError, Genotype, published
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import PPConvSuperNet


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


# -- equations 3 and 4 -----------------------------------------------------------------------------


def shortage(values: Values, groups: int) -> tuple[list[float], list[float]]:
    """Equation 4's terms: one for each input node of a stage, one for each output node."""
    inputs, outputs = [], []
    for stage in STAGES:
        gate = {
            (i, j): sigmoid(values[f'{stage}/node{j}/inputs'][i])
            for j in range(groups, 2 * groups)
            for i in range(j)
        }
        for i in range(groups):
            total = sum(gate[i, j] for j in range(groups, 2 * groups))
            inputs.append(max(1 - total, 0) ** 2)
        for j in range(groups, 2 * groups):
            total = sum(gate[i, j] for i in range(j))
            outputs.append(max(1 - total, 0) ** 2)
    return inputs, outputs


def mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def plain_losses(values: Values, groups: int, reduction: str) -> dict[str, float]:
    """Equations 3 and 4 and the L2 term, number by number."""
    alpha = [v for name, row in values.items() if name.endswith('inputs') for v in row]
    beta = [v for name, row in values.items() if name.endswith('op') for v in row]
    inputs, outputs = shortage(values, groups)
    decided = [-((sigmoid(a) - 0.5) ** 2) for a in alpha]
    if reduction == 'sum':
        zero_one, missing = sum(decided), sum(inputs) + sum(outputs)
        squares = sum(v * v for v in alpha + beta)
    else:
        zero_one, missing = mean(decided) + 0.25, mean(inputs) + mean(outputs)
        squares = mean([a * a for a in alpha]) + mean([b * b for b in beta])
    return {'loss_zero_one': zero_one, 'loss_connection': missing, 'loss_arch_l2': squares / 2}


CASES = [
    (reduction, groups, scale, shift)
    for reduction in ('sum', 'mean')
    for groups in (3, 4)
    for scale, shift in ((0.0, 0.0), (2.0, 0.0), (1.0, -4.0))
]


@pytest.mark.parametrize(('reduction', 'groups', 'scale', 'shift'), CASES)
def test_losses_are_equations_3_and_4(
    reduction: str, groups: int, scale: float, shift: float
) -> None:
    weights = {'zero_one_weight': 0.7, 'connection_weight': 1.3, 'l2_weight': 0.01}
    algorithm = ppnas(groups, reduction=reduction, **weights).double()
    values = randomise(algorithm, 0, scale)
    with torch.no_grad():
        for name, parameter in algorithm.arch_parameters().items():
            parameter += shift
            values[name] = parameter.tolist()

    def total(at: Values) -> float:
        terms = plain_losses(at, groups, reduction)
        return sum(w * terms[f'loss_{n}'] for n, w in zip(names, weights.values(), strict=True))

    names = ('zero_one', 'connection', 'arch_l2')
    losses = algorithm.arch_losses()
    expected = plain_losses(values, groups, reduction)
    for (name, term), weight in zip(expected.items(), weights.values(), strict=True):
        assert float(losses.pop(name)) == pytest.approx(weight * term, rel=1e-10, abs=1e-12)
    assert losses == {}
    sum(algorithm.arch_losses().values()).backward()
    step = 1e-5
    for name, parameter in algorithm.arch_parameters().items():
        for k, value in enumerate(values[name]):
            ends = []
            for end in (value + step, value - step):
                row = [*values[name][:k], end, *values[name][k + 1 :]]
                ends.append(total({**values, name: row}))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert float(parameter.grad[k]) == pytest.approx(slope, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize('off', ['zero_one', 'connection', 'l2'])
def test_a_weight_of_zero_switches_a_loss_off(off: str) -> None:
    algorithm = ppnas(**{f'{off}_weight': 0})
    randomise(algorithm, 1)
    losses = {name: float(value) for name, value in algorithm.arch_losses().items()}
    assert [name for name, value in losses.items() if value == 0] == [
        f'loss_{"arch_l2" if off == "l2" else off}'
    ]


def balance(decay: float) -> float:
    """Where the pulls of the zero-one and the L2 term cancel, by bisection."""

    def pull(a: float) -> float:
        s = sigmoid(a)
        return 2 * (s - 0.5) * s * (1 - s) - decay * a

    low, high = 2.0, 50.0
    assert pull(low) > 0 > pull(high)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if pull(middle) > 0 else (low, middle)
    return low


def test_connections_settle_near_0997_and_0003() -> None:
    algorithm = ppnas(connection_weight=0).double()
    signs = {}
    rng = random.Random(0)
    with torch.no_grad():
        for name, parameter in algorithm.arch_parameters().items():
            signs[name] = torch.tensor([rng.choice([-1.0, 1.0]) for _ in parameter])
            parameter.copy_(0.5 * signs[name])
    parameters = list(algorithm.arch_parameters().values())
    for _ in range(500):
        gradients = torch.autograd.grad(sum(algorithm.arch_losses().values()), parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= 100 * gradient
    expected = balance(5e-4)
    assert expected == pytest.approx(5.8, abs=0.05)
    for name, parameter in algorithm.arch_parameters().items():
        if not name.endswith('inputs'):
            continue
        torch.testing.assert_close(parameter, expected * signs[name].double(), rtol=1e-4, atol=0)
        on = parameter.sigmoid()[signs[name] > 0]
        off = parameter.sigmoid()[signs[name] < 0]
        assert ((on - 0.997).abs() < 5e-4).all() and ((off - 0.003).abs() < 5e-4).all()


# -- derivation ------------------------------------------------------------------------------------


def all_gates(algorithm: PPNAS, value: float) -> None:
    with torch.no_grad():
        for name, parameter in algorithm.arch_parameters().items():
            if name.endswith('inputs'):
                parameter.fill_(value)


@pytest.mark.parametrize('threshold', [0.5, 0.9, 0.99])
def test_connections_above_the_threshold_are_kept(threshold: float) -> None:
    algorithm = ppnas(threshold=threshold)
    all_gates(algorithm, 20.0)
    edge = math.log(threshold / (1 - threshold))
    for name, offsets in {
        'stage1/node4/inputs': [1e-3, -1e-3, -1e-3, 1e-3],
        'stage2/node7/inputs': [-1e-3, 1e-3, 0.5, -0.5, 1e-3, -1e-3, -9],
    }.items():
        with torch.no_grad():
            algorithm.arch_parameters()[name].copy_(torch.tensor(offsets) + edge)
    path = algorithm.decide(strict=True)
    assert path['stage1/node4/inputs'] == (0, 3)
    assert path['stage2/node7/inputs'] == (1, 2, 4)
    assert path['stage3/node6/inputs'] == (0, 1, 2, 3, 4, 5)


def test_the_default_threshold_is_the_papers() -> None:
    algorithm = ppnas()
    assert algorithm.threshold == 0.9
    weights = (algorithm.zero_one_weight, algorithm.connection_weight, algorithm.l2_weight)
    assert weights == (1, 1, 5e-4)
    assert algorithm.reduction == 'sum'


def test_the_first_identity_is_where_the_published_ones_have_it() -> None:
    algorithm = ppnas(identities='first')
    all_gates(algorithm, 20.0)
    strongest = algorithm.super_net.choices['stage1/node6/op'].candidates.index('identity')
    with torch.no_grad():  # another node's identity weighs most
        algorithm.arch_parameters()['stage1/node6/op'][strongest] = 9.0
    genotype = algorithm.derive()
    for cell in genotype.cells:
        assert [edges[0].op == 'identity' for edges in cell.nodes] == [True, False, False, False]
    for name in published():
        cells = Genotype.load(name).cells
        if name.startswith('pp_resnet'):
            assert all(cell.nodes[0][0].op == 'identity' for cell in cells), name
    with pytest.raises(ValueError, match="identities='last'"):
        ppnas(identities='last')


def chosen(values: Values, count: int | None, ops: tuple) -> dict[str, int]:
    """Operations by the documented rule: the ``count`` heaviest identities of a cell stay."""
    result = {}
    identity = ops.index('identity')
    for stage in STAGES:
        weight = {}
        for j in range(4, 8):
            row = values[f'{stage}/node{j}/op']
            weight[j] = math.exp(row[identity]) / sum(math.exp(v) for v in row)
        ranked = sorted(weight, key=lambda j: weight[j], reverse=True)
        for j in range(4, 8):
            row = list(values[f'{stage}/node{j}/op'])
            if count is not None:
                row[identity] = math.inf if j in ranked[:count] else -math.inf
            result[f'{stage}/node{j}/op'] = max(range(len(row)), key=lambda k: row[k])
    return result


@pytest.mark.parametrize('count', [1, 0, 2, 4, None])
@pytest.mark.parametrize('ops', [PAPER_OPS, ('conv_5x5', 'identity')])
def test_exactly_one_identity_stays_where_it_weighs_most(count: int | None, ops: tuple) -> None:
    algorithm = ppnas(ops=ops, identities=count)
    several = set()
    for seed in range(12):
        values = randomise(algorithm, seed)
        all_gates(algorithm, 20.0)
        path = algorithm.decide(strict=True)
        assert {n: path[n] for n in path if n.endswith('op')} == {
            name: (index,) for name, index in chosen(values, count, ops).items()
        }
        genotype = algorithm.derive(strict=True)
        kept = [sum(e.op == 'identity' for (e,) in c.nodes) for c in genotype.cells]
        several.update(kept)
        assert count is None or kept == [count] * 3
    assert len(several) == (1 if count is not None else len(several)) > 0
    assert count is not None or len(several) > 1


def test_without_an_identity_candidate_the_strongest_operation_wins() -> None:
    algorithm = ppnas(ops=('conv_1x1', 'conv_3x3'))
    values = randomise(algorithm, 0)
    all_gates(algorithm, 20.0)
    for name, kept in algorithm.decide(strict=True).items():
        if name.endswith('op'):
            assert kept == (max((0, 1), key=lambda k: values[name][k]),)


def test_the_error_lists_empty_nodes_and_dropped_inputs() -> None:
    algorithm = ppnas()
    all_gates(algorithm, 20.0)
    arch = algorithm.arch_parameters()
    with torch.no_grad():
        arch['stage1/node5/inputs'].fill_(-20)
        for j in range(4, 8):
            arch[f'stage3/node{j}/inputs'][2] = -20
    with pytest.raises(DegenerateArchitectureError) as info:
        algorithm.derive()
    message = str(info.value)
    assert '\n' not in message
    assert 'stage1 node 5' in message and 'stage3 input 2' in message
    assert message.count('stage') == 2


def test_an_undecided_search_fails_to_derive() -> None:
    algorithm = ppnas()
    with pytest.raises(DegenerateArchitectureError) as info:
        algorithm.derive()
    for stage in STAGES:
        for i in range(4):
            assert f'{stage} node {4 + i} has no input' in str(info.value)
            assert f'{stage} input {i} is dropped' in str(info.value)


@pytest.mark.parametrize('shift', [-30.0, -4.0, 0.0])
def test_a_provisional_architecture_is_always_whole(shift: float) -> None:
    algorithm = ppnas()
    for seed in range(15):
        values = randomise(algorithm, seed)
        with torch.no_grad():
            for name, parameter in algorithm.arch_parameters().items():
                if name.endswith('inputs'):
                    parameter += shift
        genotype = algorithm.derive(strict=False)
        for stage, cell in zip(STAGES, genotype.cells, strict=True):
            sources = [edge.sources for (edge,) in cell.nodes]
            assert all(sources)
            assert {i for s in sources for i in s} >= {0, 1, 2, 3}
            for j, kept in enumerate(sources, 4):
                row = values[f'{stage}/node{j}/inputs']
                above = {i for i, v in enumerate(row) if sigmoid(v + shift) > 0.9}
                assert above <= set(kept)
                assert above or max(range(len(row)), key=lambda k: row[k]) in kept


# -- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('kwargs', 'error', 'pattern'),
    [
        ({'reduction': 'median'}, ValueError, 'reduction'),
        ({'threshold': 1.0}, ValueError, 'threshold'),
        ({'threshold': 0}, ValueError, 'threshold'),
        ({'identities': -1}, ValueError, 'identities'),
        ({'identities': 5}, ValueError, 'identities'),
        ({'zero_one_weights': 1}, TypeError, 'zero_one_weights'),
    ],
)
def test_wrong_arguments_are_named(kwargs: dict, error: type, pattern: str) -> None:
    with pytest.raises(error, match=pattern):
        ppnas(**kwargs)


def test_a_space_without_connection_gates_is_refused() -> None:
    @MODELS.register_module(name='NoGates', force=True)
    class NoGates(PPConvSuperNet):
        def set_choices(self, choices: list, mixture: Any) -> None:
            super().set_choices([c for c in choices if not c.gates], mixture)

    try:
        config = {**SPACES['ppconv'], 'type': 'ppnas_mm.NoGates'}
        with pytest.raises(ValueError, match='connection gates'):
            PPNAS(classifier(config))
    finally:
        MODELS.module_dict.pop('NoGates')


def test_alpha_waits_for_the_weights_to_warm_up() -> None:
    algorithm = MODELS.build(
        dict(type='ppnas_mm.PPNAS', model=classifier(SPACES['ppconv']), arch_warmup_epochs=2)
    ).train()
    optimizers = search_optimizers(algorithm)
    rows = algorithm.super_net.arch
    for epoch in (1, 2, 3):
        before = {name: row.detach().clone() for name, row in rows.items()}
        algorithm.before_epoch(epoch)
        weight = next(iter(algorithm.model.head.parameters())).detach().clone()
        logs = algorithm.train_step(classifier_batch(), optimizers)
        same = [torch.equal(row, before[name]) for name, row in rows.items()]
        assert all(same) if epoch < 3 else not any(same)
        assert ('loss_zero_one' in logs) == (epoch == 3)
        assert not torch.equal(weight, next(iter(algorithm.model.head.parameters())))
