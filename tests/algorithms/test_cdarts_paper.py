"""CDARTS' options that tell paper and scripts apart, by plain formulas and single steps."""

import math
from typing import Any

import pytest
import torch
from cdarts_nets import DARTS, DATA, NB201, build, moved, snapshot
from tasks import classifier, search_optimizers, segmentor, segmentor_batch
from zoo import images

from ppnas_mm.algorithms.cdarts.distillation import IntrospectiveDistillation
from ppnas_mm.algorithms.cdarts.networks import captured


def divergence(search: list[list[float]], evaluation: list[list[float]], t: float) -> float:
    """Eq. 9 without its factor, term by term."""
    total = 0.0
    for s, e in zip(search, evaluation, strict=True):
        p = [math.exp(v / t) / sum(math.exp(u / t) for u in e) for v in e]
        q = [math.exp(v / t) / sum(math.exp(u / t) for u in s) for v in s]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total / len(search)


def levels_of(algorithm: Any, x: torch.Tensor) -> list[Any]:
    """Features and logits of both networks."""
    found = []
    for model, names in (
        (algorithm.model, algorithm.networks.search_names),
        (algorithm.evaluation, algorithm.networks.evaluation_names),
    ):
        with captured(model, names) as maps, torch.no_grad():
            logits = model(x, mode='tensor')
        found.append(([maps[n] for n in names[:-1]], logits))
    return found


PAPER = {'loss': 'kl', 'ensemble': 'sum', 'shares': None}


@pytest.mark.parametrize('levels', [None, (0, 1), (0, 2), (1, 2), (2,)])
def test_the_paper_distils_the_sum_of_the_levels(levels: Any) -> None:
    """Fig. 2 and eq. 9, 10: one output, no scales, T^2 = 4."""
    options = {**PAPER, 'levels': levels}
    algorithm = build(distillation=options).eval().double()
    pairs = levels_of(algorithm, images(6, 3, 16, 16, dtype=torch.float64))
    kept = (0, 1, 2) if levels is None else levels
    heads = dict(zip([i for i in kept if i < 2], algorithm.distillation.heads, strict=True))
    sums = []
    for maps, logits in pairs:
        rows = [[0.0] * 3 for _ in range(6)]
        for i in kept:
            level = (heads[i](maps[i]) if i < 2 else logits).tolist()
            rows = [
                [a + b for a, b in zip(row, more, strict=True)]
                for row, more in zip(rows, level, strict=True)
            ]
        sums.append(rows)
    expected = 4 * divergence(*sums, 2.0)
    with torch.no_grad():
        assert float(algorithm.distillation(*pairs)) == pytest.approx(expected, rel=1e-9)


def test_losses_of_levels_without_shares_are_their_plain_mean() -> None:
    options = {'loss': 'kl', 'ensemble': 'mean-of-losses', 'shares': None}
    algorithm = build(distillation=options).eval().double()
    part = algorithm.distillation
    pairs = levels_of(algorithm, images(4, 3, 16, 16, dtype=torch.float64))
    rows = [
        [*(head(x).tolist() for head, x in zip(part.heads, maps, strict=True)), logits.tolist()]
        for maps, logits in pairs
    ]
    expected = 4 * sum(divergence(s, e, 2.0) for s, e in zip(*rows, strict=True)) / 3
    with torch.no_grad():
        assert float(part(*pairs)) == pytest.approx(expected, rel=1e-9)
    assert not [name for name, _ in part.named_parameters() if 'shares' in name]


def test_embeddings_of_an_image_count_for_each_of_its_pixels() -> None:
    part = IntrospectiveDistillation([4], 3, [2], **PAPER).eval()
    features, logits = images(2, 4, 8, 8), images(2, 3, 5, 7)
    (embedded, rows) = part.levels([features], logits)
    with torch.no_grad():
        vector = part.heads[0](features)
    assert embedded.shape == rows.shape == (2 * 5 * 7, 3)
    for image in range(2):
        for pixel in range(35):
            row = image * 35 + pixel
            assert torch.equal(embedded[row], vector[image])
            assert torch.equal(rows[row], logits[image, :, pixel // 7, pixel % 7])


def test_lambda_multiplies_the_factor_of_the_temperature() -> None:
    """Eq. 8 and 9 as printed: 4 times T^2 = 4; the authors' scripts: T^2 alone."""
    found = {}
    for weight in (0.25, 1.0, 4.0):
        algorithm = build(distill_weight=weight, distillation=PAPER)
        batch = algorithm.data_preprocessor(DATA['val'], True)
        found[weight] = float(algorithm.joint_losses(batch)['loss_distillation'].detach())
    plain = found[0.25]
    assert plain > 0
    assert found[1.0] == pytest.approx(4 * plain, rel=1e-4)
    assert found[4.0] == pytest.approx(16 * plain, rel=1e-4)
    # unsaid, lambda is 1: the loss is what the distillation returns
    algorithm = build(distillation=PAPER)
    batch = algorithm.data_preprocessor(DATA['val'], True)
    unsaid = float(algorithm.joint_losses(batch)['loss_distillation'].detach())
    assert unsaid == pytest.approx(found[1.0], rel=1e-4)
    algorithm = build(distill_weight=0)
    losses = algorithm.joint_losses(algorithm.data_preprocessor(DATA['val'], True))
    assert set(losses) == {'loss_search', 'loss_evaluation', 'loss_l1'}


def test_sgd_teaches_alone_and_adam_jointly() -> None:
    """Table 1 and Section 4.1: two optimizers of one network."""
    algorithm = build(joint_optimizer='joint', warmup_epochs=0, separate_epochs=1)
    sgd = {'optimizer': {'type': 'SGD', 'lr': 0.1}}
    adam = {'optimizer': {'type': 'Adam', 'lr': 3e-4, 'betas': (0.5, 0.99)}}
    optimizers = search_optimizers(algorithm, evaluation=sgd, joint=adam)
    heads = [f'distillation.heads.0.{n}' for n in ('2.weight', '10.bias')]
    fc = 'evaluation.head.fc.bias'
    for epoch in (1, 2):
        algorithm.before_epoch(epoch)
        before = {n: p.detach().clone() for n, p in algorithm.named_parameters()}
        algorithm.train_step({n: DATA[n] for n in algorithm.uses}, optimizers)
        change = {n: (p - before[n]).detach() for n, p in algorithm.named_parameters()}
        if epoch == 1:
            assert not any(change[n].any() for n in heads) and change[fc].any()
            assert not optimizers['joint'].optimizer.state
        else:  # the first step of Adam is its rate, whatever the gradient
            assert all(change[n].any() for n in heads)
            torch.testing.assert_close(
                change[fc].abs(), torch.full_like(change[fc], 3e-4), rtol=1e-2, atol=0
            )


def test_a_frozen_evaluation_network_teaches_without_learning() -> None:
    """Table 7: alpha follows the distillation, w_E moves only in its own epochs."""
    algorithm = build(joint_optimizer=None, separate_epochs=0)
    optimizers = search_optimizers(algorithm)
    parts = {part: set(names) for part, names in snapshot(algorithm).items()}
    before = snapshot(algorithm)
    logs = algorithm.train_step(DATA, optimizers)
    changed = moved(algorithm, before)
    assert 'loss_distillation' in logs
    assert parts['arch'] & changed
    assert not changed & (parts['evaluation'] - parts['weights'])
    assert all(p.requires_grad for p in algorithm.evaluation.parameters())


def test_the_stem_is_shared_or_not() -> None:
    shared, apart = build(), build(share_stem=False)
    assert shared.evaluation.backbone.stem is shared.super_net.stem
    assert apart.evaluation.backbone.stem is not apart.super_net.stem
    assert apart.evaluation.backbone.arch is apart.super_net.arch
    parts = {part: set(names) for part, names in snapshot(apart).items()}
    assert not parts['weights'] & parts['evaluation']
    # with a stem of its own it may have another width, too; then heads do not fit
    with pytest.raises(ValueError, match='embedding heads'):
        build(share_stem=False, evaluation={'init_channels': 4})
    with pytest.raises(ValueError, match='another width'):
        build(evaluation={'init_channels': 4})


@pytest.mark.parametrize(('ops', 'terms'), [(('none',), 6), (('none', 'skip_connect'), 12)])
def test_the_script_of_nasbench201_takes_the_mean_over_edges(ops: tuple, terms: int) -> None:
    """``5 * mean(|alpha[:, 0:1]|)`` there; six edges, so the sum is six times as strong."""
    options: Any = dict(
        model=classifier(NB201), evaluation={}, pools=(3, 2), l1_ops=ops, l1_weight=5.0
    )
    values = {}
    for reduction in ('sum', 'mean'):
        algorithm = build(**options, l1_reduction=reduction)
        with torch.no_grad():
            for parameter in algorithm.arch_parameters().values():
                parameter.copy_(torch.tensor([-2.0, 3.0, 0.1, 0.1, 0.1]))
        values[reduction] = float(algorithm.arch_losses()['loss_l1'])
    norm = 6 * 2.0 + (6 * 3.0 if terms == 12 else 0.0)
    assert values['sum'] == pytest.approx(5 * norm)
    assert values['mean'] == pytest.approx(5 * norm / 6)


def test_a_segmentor_distils_the_sum() -> None:
    backbone = {**DARTS, 'out_indices': (0, 1, 2)}
    algorithm = build(
        segmentor(backbone), logits='decode_head.conv_seg', pools=(4, 2), distillation=PAPER
    )
    data = segmentor_batch(size=32)
    for sample in data['data_samples']:
        sample.set_metainfo({'img_shape': (32, 32)})
    losses = algorithm.joint_losses(algorithm.data_preprocessor(data, True))
    assert torch.isfinite(losses['loss_distillation'])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'distillation': {'ensemble': 'max'}}, "ensemble='max'"),
        ({'distillation': {'shares': 'some'}}, "shares='some'"),
        ({'distillation': {'levels': (3,)}}, r'levels=\(3,\)'),
        ({'distillation': {'levels': ()}}, r'levels=\(\)'),
        ({'distillation': {'temperature': 0}}, 'temperature=0'),
        ({'distill_weight': -1}, 'distill_weight=-1'),
        ({'l1_weight': -1}, 'l1_weight=-1'),
        ({'l1_reduction': 'max'}, "l1_reduction='max'"),
        ({'joint_optimizer': 'arch'}, "joint_optimizer='arch'"),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)
