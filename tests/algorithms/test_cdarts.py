"""CDARTS: phases, losses against plain formulas, who learns from what, what is shared."""

import copy
import math

import pytest
import torch
from cdarts_nets import DARTS, DATA, NB201, build, moved, snapshot
from tasks import classifier, search_optimizers, segmentor, segmentor_batch
from torch import nn
from zoo import images

from ppnas_mm.algorithms.cdarts.distillation import DISTILLATIONS, EmbeddingHead
from ppnas_mm.algorithms.cdarts.networks import captured
from ppnas_mm.algorithms.discretise import strongest
from ppnas_mm.engine.derive import derive_model
from ppnas_mm.spaces import Fixed


def test_the_phases_follow_algorithm_1() -> None:
    algorithm = build(warmup_epochs=2, separate_epochs=3, l1_weight=5, l1_epochs=2)
    seen = []
    for epoch in range(1, 12):
        algorithm.before_epoch(epoch)
        seen.append((algorithm.phase, algorithm.uses, algorithm.l1_now))
    cycle = [('separate', ('val',))] * 3 + [('joint', ('train', 'val'))]
    assert [s[:2] for s in seen] == [('warm-up', ('train',))] * 2 + 2 * cycle + cycle[:1]
    assert [s[2] for s in seen] == [5.0] * 6 + [2.5] * 4 + [0.0]


def test_each_phase_moves_its_own_parameters() -> None:
    algorithm = build(warmup_epochs=1, model=classifier(DARTS))
    optimizers = search_optimizers(algorithm)
    parts = {part: set(owned) for part, owned in snapshot(algorithm).items()}
    stem = parts['weights'] & parts['evaluation']
    assert stem == {n for n in parts['weights'] if '.stem.' in n} != set()
    expected = {1: parts['weights'], 2: parts['evaluation'], 3: set().union(*parts.values())}
    for epoch, may in expected.items():
        algorithm.before_epoch(epoch)
        before = snapshot(algorithm)
        algorithm.train_step({name: DATA[name] for name in algorithm.uses}, optimizers)
        changed = moved(algorithm, before)
        assert changed and changed <= may, epoch
        assert bool(changed & parts['arch']) == (epoch == 3)
        assert bool(changed & {n for n in parts['weights'] if n not in stem}) == (epoch != 2)
        assert stem <= changed


def test_the_evaluation_network_inherits_weights_once() -> None:
    """After the warm-up it is the search network with one path; then it learns by itself."""
    options = dict(evaluation={}, pools=(2, 2), inherit_weights=True, warmup_epochs=2)
    algorithm = build(model=classifier(NB201), **options)

    def same() -> list[bool]:
        theirs = algorithm.evaluation.state_dict()
        mine = algorithm.model.state_dict()
        return [torch.equal(theirs[k], v) for k, v in mine.items() if v.dim() > 1]

    assert not all(same())
    algorithm.before_epoch(2)
    assert not all(same())
    algorithm.before_epoch(3)
    assert algorithm.phase == 'separate' and all(same())
    algorithm.train_step({'val': DATA['val']}, search_optimizers(algorithm))
    assert not all(same())
    kept = {k: v.clone() for k, v in algorithm.evaluation.state_dict().items()}
    algorithm.before_epoch(4)
    assert all(torch.equal(v, kept[k]) for k, v in algorithm.evaluation.state_dict().items())


def test_a_network_of_another_size_cannot_inherit() -> None:
    more = {'num_cells': 5}
    with pytest.raises(ValueError, match=r'inherit_weights: backbone\..* its size'):
        build(model=classifier(DARTS), evaluation=more, inherit_weights=True)


def test_the_joint_step_is_that_of_equation_8() -> None:
    """Alpha and the evaluation network follow the gradient of eq. 8, then w_S that of eq. 6."""
    algorithm = build(separate_epochs=0, distillation={'loss': 'kl'})
    twin = copy.deepcopy(algorithm)
    sgd = {'optimizer': {'type': 'SGD', 'lr': 0.1}}
    optimizers = search_optimizers(algorithm, weights=sgd, evaluation=sgd, arch=sgd)
    algorithm.train_step(DATA, optimizers)

    parts = twin.optim_parts()
    batch = twin.data_preprocessor(DATA['val'], True)
    joint = sum(twin.joint_losses(batch).values())
    taught = [*parts['evaluation'], *parts['arch']]
    gradients = torch.autograd.grad(joint, taught, allow_unused=True)
    with torch.no_grad():
        for parameter, gradient in zip(taught, gradients, strict=True):
            if gradient is not None:
                parameter -= 0.1 * gradient
    data = twin.data_preprocessor(DATA['train'], True)
    loss = twin.model(**data, mode='loss')['loss']
    gradients = torch.autograd.grad(loss, parts['weights'], allow_unused=True)
    with torch.no_grad():
        for parameter, gradient in zip(parts['weights'], gradients, strict=True):
            if gradient is not None:
                parameter -= 0.1 * gradient
    for name, theirs in twin.named_parameters():
        ours = algorithm.get_parameter(name)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6, msg=name)


def test_the_evaluation_network_runs_the_strongest_architecture() -> None:
    algorithm = build()
    path = algorithm.evaluation.backbone.mixture.path
    assert path == algorithm.decide(strict=True)
    genotype = algorithm.derive()
    for cell in genotype.cells:
        for number, edges in enumerate(cell.nodes, 2):
            scores = []
            for i in range(number):
                weights = algorithm.super_net.arch[f'{cell.name}/node{number}/op{i}'].detach()
                total = sum(math.exp(w) for w in weights.tolist())
                shares = {
                    op: math.exp(w) / total
                    for op, w in zip(DARTS['ops'], weights.tolist(), strict=True)
                    if op != 'none'
                }
                best = max(shares, key=lambda op: shares[op])
                scores.append((shares[best], i, best))
            expected = sorted((i, op) for _, i, op in sorted(scores)[-2:])
            assert [(edge.sources[0], edge.op) for edge in edges] == expected


# -- losses ----------------------------------------------------------------------------------------


def test_the_divergence_is_equations_9_and_10() -> None:
    search, evaluation = (
        images(5, 7, 1, 1, dtype=torch.float64).flatten(1),
        torch.randn(5, 7).double(),
    )
    total = 0.0
    for s, e in zip(search.tolist(), evaluation.tolist(), strict=True):
        p = [math.exp(v / 2) / sum(math.exp(u / 2) for u in e) for v in e]
        q = [math.exp(v / 2) / sum(math.exp(u / 2) for u in s) for v in s]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    expected = 2**2 / 5 * total
    assert float(4 * DISTILLATIONS['kl'](search, evaluation, 2.0)) == pytest.approx(
        expected, rel=1e-9
    )
    kl_mean = DISTILLATIONS['kl_mean'](search, evaluation, 2.0)
    assert float(4 * kl_mean) == pytest.approx(expected / 7)


def test_the_other_losses_compare_logits_without_temperature() -> None:
    """SmoothL1 is the authors' code; some gaps are above 1 and some below, where it bends."""
    search = images(5, 7, 1, 1, dtype=torch.float64).flatten(1)
    evaluation = torch.randn(5, 7).double()
    rows = list(zip(search.tolist(), evaluation.tolist(), strict=True))
    gaps = [abs(a - b) for s, e in rows for a, b in zip(s, e, strict=True)]
    assert min(gaps) < 1 < max(gaps)
    expected = {'smooth_l1': sum(g * g / 2 if g < 1 else g - 0.5 for g in gaps) / 35}
    assert set(expected) == set(DISTILLATIONS) - {'kl', 'kl_mean'}
    for name, value in expected.items():
        for temperature in (1.0, 2.0):
            found = float(DISTILLATIONS[name](search, evaluation, temperature))
            assert found == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize('loss', sorted(DISTILLATIONS))
def test_three_levels_meet_in_the_distillation(loss: str) -> None:
    """The mean over levels is the authors' concatenation along the batch."""
    algorithm = build(distillation={'loss': loss}).eval()
    x = images(6, 3, 16, 16)
    pairs = []
    for model, names in (
        (algorithm.model, algorithm.networks.search_names),
        (algorithm.evaluation, algorithm.networks.evaluation_names),
    ):
        with captured(model, names) as found, torch.no_grad():
            logits = model(x, mode='tensor')
        assert torch.equal(found['head.fc'], logits)
        assert len(found) == 3
        pairs.append(([found[n] for n in names[:-1]], logits))
    part = algorithm.distillation
    with torch.no_grad():
        share = part.shares.exp() / part.shares.exp().sum()
        whole = [
            torch.cat(
                [
                    share[i] * head(x)
                    for i, (head, x) in enumerate(zip(part.heads, maps, strict=True))
                ]
                + [share[2] * logits]
            )
            for maps, logits in pairs
        ]
        assert whole[0].shape == (18, 3)
        expected = 4 * DISTILLATIONS[loss](*whole, 2.0)
        torch.testing.assert_close(part(*pairs), expected)


@pytest.mark.parametrize('ops', [('skip_connect',), ('max_pool_3x3', 'skip_connect')])
def test_equation_11_counts_each_edge_once(ops: tuple) -> None:
    algorithm = build(l1_ops=ops, l1_weight=5.0)
    with torch.no_grad():
        for parameter in algorithm.arch_parameters().values():
            parameter.fill_(-1.0)
    (loss,) = algorithm.arch_losses().values()
    assert float(loss) == pytest.approx(5 * 14 * 2 * len(ops))  # 14 edges in each of two cells


def test_the_teacher_learns_from_the_distillation() -> None:
    algorithm = build()
    losses = algorithm.joint_losses(algorithm.data_preprocessor(DATA['val'], True))
    losses['loss_distillation'].backward()
    taught = [p.grad for n, p in algorithm.evaluation.named_parameters() if 'head' in n]
    assert not any(g is None for g in taught)
    assert algorithm.model.head.fc.weight.grad is not None


def test_learned_shares_start_apart_and_below_a_third() -> None:
    """The authors' scripts: 0.333 times a number from 0 to 1."""
    starts = torch.stack([build().distillation.shares.detach() for _ in range(3)]).flatten()
    assert 0 <= float(starts.min()) < float(starts.max()) < 0.333


def test_an_embedding_head_has_the_size_of_the_authors() -> None:
    heads = [EmbeddingHead(c, 10, 6) for c in (128, 256)]
    own = [sum(p.numel() for p in head.parameters()) for head in heads]
    assert own == [c * 128 + 128 * 768 * 4 + 768 * 10 + 10 for c in (128, 256)]
    assert [round(n / 1e6, 3) for n in own] == [0.417, 0.434]  # printed in the reference
    assert heads[0](torch.zeros(2, 128, 16, 16)).shape == (2, 10)
    assert heads[1](torch.zeros(2, 256, 8, 8)).shape == (2, 10)
    frozen = build(distillation={'freeze_heads': True})
    assert not any(p.requires_grad for p in frozen.distillation.heads.parameters())


# -- two networks in one ---------------------------------------------------------------------------


def test_the_two_networks_share_stem_and_alpha_only() -> None:
    algorithm = build()
    mine = {id(p): n for n, p in algorithm.model.named_parameters()}
    shared = {mine[id(p)] for p in algorithm.evaluation.parameters() if id(p) in mine}
    assert shared == {n for n in mine.values() if '.stem.' in n or '.arch.' in n}
    assert algorithm.evaluation.backbone.stem is algorithm.super_net.stem


def test_weights_are_inherited_across_architectures_identities_included() -> None:
    """An operation that is chosen again is the same module, whatever stands beside it."""
    algorithm = build()
    net = algorithm.evaluation.backbone
    first = net.to_path(algorithm.derive())
    keys = list(net.state_dict())
    with torch.no_grad():
        for name, parameter in algorithm.arch_parameters().items():
            parameter.copy_(
                torch.tensor([0.0, 9.0 if name.endswith('op0') else 0.0, 1.0, 0.0, 0.0])
            )
    algorithm.before_epoch(1)
    second = net.mixture.path
    assert second != first and list(net.state_dict()) == keys
    genotype = algorithm.derive()
    assert any(e.op == 'skip_connect' for c in genotype.cells for n in c.nodes for e in n)
    derived = derive_model(algorithm, genotype)
    source = net.state_dict()
    for key, value in derived.backbone.state_dict().items():
        if '.dag.' in key:
            block, rest = key.split('.dag.')
            _, j, k, *tail = rest.split('.')
            kind = net.get_submodule(block).kind
            cell = next(c for c in genotype.cells if c.name == kind)
            edge = cell.nodes[int(j)][int(k)]
            key = f'{block}.dag.nodes.{j}.{edge.sources[0]}.{edge.op}.{".".join(tail)}'
        assert torch.equal(value, source[key]), key


def test_the_derived_network_is_the_evaluation_network() -> None:
    algorithm = build()
    algorithm.train_step({'val': DATA['val']}, search_optimizers(algorithm))  # fmt: skip
    algorithm.eval()
    genotype = algorithm.derive()
    derived = derive_model(algorithm, genotype)
    assert sum(len(s) for s in derived.backbone.stages) == 5
    algorithm.evaluation.backbone.mixture = Fixed(algorithm.super_net.to_path(genotype))
    x = images(3, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(
            derived(x, mode='tensor'), algorithm.evaluation(x, mode='tensor'), rtol=1e-5, atol=1e-5
        )


def test_it_searches_a_segmentor() -> None:
    backbone = {**DARTS, 'out_indices': (0, 1, 2)}
    algorithm = build(
        segmentor(backbone), logits='decode_head.conv_seg', pools=(4, 2), warmup_epochs=1
    )
    optimizers = search_optimizers(algorithm)
    data = {h: segmentor_batch(size=32, seed=i) for i, h in enumerate(('train', 'val'))}
    for half in data.values():
        for sample in half['data_samples']:
            sample.set_metainfo({'img_shape': (32, 32)})
    for epoch in (1, 2, 3):
        algorithm.before_epoch(epoch)
        before = snapshot(algorithm)
        logs = algorithm.train_step({n: data[n] for n in algorithm.uses}, optimizers)
        assert all(torch.isfinite(v) for v in logs.values())
        assert moved(algorithm, before)
    assert {'loss_search', 'loss_evaluation', 'loss_distillation', 'loss_l1'} <= set(logs)
    derived = derive_model(algorithm, algorithm.derive())
    assert isinstance(derived.backbone, nn.Module)
    assert derived(images(1, 3, 32, 32), mode='tensor').shape[1] == 3


def test_it_searches_nasbench201() -> None:
    algorithm = build(
        classifier(NB201), evaluation={}, l1_ops=('skip_connect',), pools=(3, 2), separate_epochs=0
    )
    optimizers = search_optimizers(algorithm)
    arch = {n: p.clone() for n, p in algorithm.arch_parameters().items()}
    algorithm.train_step(DATA, optimizers)
    assert all(not torch.equal(p, arch[n]) for n, p in algorithm.arch_parameters().items())
    path = strongest(algorithm.super_net)
    assert all(kept == (int(arch_.argmax()),) for kept, arch_ in zip(
        path.values(), algorithm.super_net.arch.values(), strict=True))  # fmt: skip


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'l1_ops': ('conv_9x9',)}, 'conv_9x9'),
        ({'pools': (3,)}, '2 reductions'),
        ({'separate_epochs': -1}, 'separate_epochs=-1'),
        ({'distillation': {'loss': 'hinge'}}, 'hinge'),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_it_searches_any_cell_super_net() -> None:
    net = {
        'type': 'ppnas_mm.PPConvSuperNet',
        'depth': 20,
        'base_channels': 8,
        'zero_init_residual': False,
    }
    algorithm = build(
        classifier(net), evaluation={'depth': 29}, l1_ops=('identity',), separate_epochs=0
    )
    optimizers = search_optimizers(algorithm)
    before = snapshot(algorithm)
    algorithm.train_step(DATA, optimizers)
    assert set(before['arch']) <= moved(algorithm, before)
    derived = derive_model(algorithm, algorithm.derive(strict=False))
    assert len(derived.backbone.layer1) == 3
