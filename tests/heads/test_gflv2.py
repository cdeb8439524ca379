"""GFLV2Head against a plain float64 formula, and what it inherits from mmdet's GFLHead."""

import math

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import nn

from ppnas_mm.registry import MODELS

STRIDES = [8, 16, 32]


def head(**kwargs):
    config = dict(
        type='ppnas_mm.GFLV2Head',
        num_classes=3,
        in_channels=8,
        feat_channels=8,
        stacked_convs=2,
        norm_cfg=dict(type='GN', num_groups=2),
        anchor_generator=dict(
            type='mmdet.AnchorGenerator',
            octave_base_scale=8,
            scales_per_octave=1,
            ratios=[1.0],
            strides=STRIDES,
        ),
        bbox_coder=dict(type='mmdet.DistancePointBBoxCoder'),
        loss_cls=dict(type='mmdet.QualityFocalLoss', use_sigmoid=True, beta=2.0),
        loss_bbox=dict(type='mmdet.GIoULoss', loss_weight=2.0),
        loss_dfl=dict(type='mmdet.DistributionFocalLoss', loss_weight=0.25),
        train_cfg=dict(
            assigner=dict(type='mmdet.ATSSAssigner', topk=9), allowed_border=-1, pos_weight=-1
        ),
        test_cfg=ConfigDict(
            nms_pre=50, min_bbox_size=0, score_thr=0.0,
            nms=dict(type='nms', iou_threshold=0.6), max_per_img=10,
        ),
    )  # fmt: skip
    torch.manual_seed(0)
    built = MODELS.build({**config, **kwargs})
    built.init_weights()
    for parameter in built.parameters():
        nn.init.normal_(parameter, std=0.3)
    return built


def levels(seed=0, channels=8):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, channels, 64 // s, 64 // s, generator=generator) for s in STRIDES]


def test_the_quality_branch_has_1409_parameters():
    assert sum(p.numel() for p in head().reg_conf.parameters()) == 1409


def plain_score(net, cls_logit, box_logit, add_mean):
    """The joint score of one position, with Python floats: softmax, sort, mean, two layers."""
    weights = [(m.weight[:, :, 0, 0].tolist(), m.bias.tolist()) for m in net.reg_conf[::2]]
    seen = []
    for side in range(4):
        values = [math.exp(v) for v in box_logit[17 * side : 17 * side + 17]]
        top = sorted((v / sum(values) for v in values), reverse=True)[: net.reg_topk]
        seen += top + ([sum(top) / len(top)] if add_mean else [])
    (w1, b1), (w2, b2) = weights
    hidden = [
        max(0.0, sum(a * x for a, x in zip(r, seen, strict=True)) + b)
        for r, b in zip(w1, b1, strict=True)
    ]
    quality = sum(a * x for a, x in zip(w2[0], hidden, strict=True)) + b2[0]
    return [1 / (1 + math.exp(-c)) / (1 + math.exp(-quality)) for c in cls_logit]


@pytest.mark.parametrize('add_mean', [True, False])
@pytest.mark.parametrize('topk', [1, 4])
def test_scores_are_the_plain_formula(topk, add_mean):
    net = head(reg_topk=topk, add_mean=add_mean)
    maps = levels()
    caught = []
    net.gfl_cls.register_forward_hook(lambda m, i, o: caught.append(o))
    scores, boxes = net(maps)
    assert len(caught) == len(maps)
    for logit, score, box in zip(caught, scores, boxes, strict=True):
        for n, y, x in ((0, 0, 0), (1, 1, 1)):
            given = (logit[n, :, y, x].tolist(), box[n, :, y, x].tolist())
            expected = torch.tensor(plain_score(net, *given, add_mean))
            torch.testing.assert_close(score[n, :, y, x].sigmoid(), expected)


def test_extreme_logits_stay_finite():
    net = head()
    for bias in (-200.0, 200.0):
        nn.init.constant_(net.gfl_cls.bias, bias)
        scores, _ = net(levels())
        assert all(torch.isfinite(s).all() for s in scores)
        torch.stack([s.sum() for s in scores]).sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_gradients_reach_the_box_branch_through_the_quality():
    """The statistics are not detached: a class loss alone moves the regression."""
    net = head()
    scores, _ = net(levels())
    sum(s.sum() for s in scores).backward()
    assert net.gfl_reg.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    'options', [{}, dict(separate_bn=True, use_scale=False, norm_cfg=dict(type='BN'))]
)
def test_loss_and_prediction_are_inherited(options):
    net = head(**options)
    truth = InstanceData(bboxes=torch.tensor([[4.0, 4, 40, 40]]), labels=torch.tensor([1]))
    metas = [dict(img_shape=(64, 64), pad_shape=(64, 64), scale_factor=(1.0, 1.0))] * 2
    losses = net.loss_by_feat(*net(levels()), [truth, truth], metas)
    assert set(losses) == {'loss_cls', 'loss_bbox', 'loss_dfl'}
    sum(sum(v) for v in losses.values()).backward()
    assert all(p.grad is not None for p in net.parameters())
    results = net.predict_by_feat(*net.eval()(levels()), batch_img_metas=metas, rescale=False)
    assert all(0 < len(r) <= 10 and bool((r.scores <= 1).all()) for r in results)


def test_separate_norms_share_convolutions_and_nothing_else():
    net = head(separate_bn=True, norm_cfg=dict(type='BN'))
    for towers in (net.cls_convs, net.reg_convs):
        assert len(towers) == len(STRIDES)
        for i in range(2):
            assert len({id(tower[i].conv) for tower in towers}) == 1
            assert len({id(tower[i].bn) for tower in towers}) == len(STRIDES)
    net.train()(levels())
    means = [tower[0].bn.running_mean for tower in net.cls_convs]
    assert not torch.equal(means[0], means[1])
    plain = head(norm_cfg=dict(type='BN'))
    extra = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in plain.parameters())
    assert (
        extra == 2 * 2 * (len(STRIDES) - 1) * 2 * 8
    )  # towers, convs, levels, scale + shift, channels
    assert not list(head(use_scale=False).scales.parameters())


def test_an_official_checkpoint_loads_without_its_background():
    """The official head has one more class output, and the same keys."""
    net = head()
    state = {k: v.clone() for k, v in head().state_dict().items()}
    for name in ('gfl_cls.weight', 'gfl_cls.bias'):
        state[name] = torch.cat([state[name] + 1, torch.full_like(state[name][:1], 7)])
    expected = state['gfl_cls.bias'][:-1].clone()
    net.load_state_dict(state)
    assert torch.equal(net.gfl_cls.bias, expected)
    state['gfl_cls.bias'] = torch.zeros(9)
    with pytest.raises(RuntimeError, match='gfl_cls'):
        net.load_state_dict(state)


def test_topk_out_of_range():
    with pytest.raises(ValueError, match='reg_topk=18'):
        head(reg_topk=18)
