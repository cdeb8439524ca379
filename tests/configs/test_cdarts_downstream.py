"""CDARTS-a and -b in detectors and segmentors: decoder and loss by plain formulas, recipes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from config_files import learning_rates, load, scope
from mmengine.config import ConfigDict
from plain import State, double_state, norm, relu, same_conv
from torch import Tensor
from torch.nn.functional import interpolate
from zoo import images, scramble

from ppnas_mm.registry import MODELS

pytest.importorskip('mmseg')


def build(**config: Any) -> Any:
    """Build a part of this package that mmseg holds."""
    return MODELS.build(ConfigDict(config))


def decoder(**kwargs: Any) -> Any:
    """A decoder, in evaluation mode, with random norms and attention that counts."""
    given = dict(
        type='ppnas_mm.CDARTSHead',
        in_channels=[6, 5, 4, 7],
        channels=16,
        num_classes=3,
        norm_cfg=dict(type='BN'),
        loss_decode=dict(type='ppnas_mm.OHEMLoss'),
    )
    return lively(build(**{**given, **kwargs}))


def lively(head: Any) -> Any:
    """Give every norm random values and every attention a weight."""
    scramble(head)
    for module in head.modules():
        if hasattr(module, 'gamma'):
            module.gamma.scale.data.fill_(0.7)
    return head.eval().double()


# -- decoder ---------------------------------------------------------------------------------------


def count(module: Any) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_those_of_the_references_segmentor() -> None:
    """Cityscapes: trunk 3.830 M, decoder 0.294 M, auxiliary heads 0.197 M."""
    config = load('segmentation/cdarts-b_cityscapes')
    with scope(config), torch.device('meta'):
        model = MODELS.build(config.model)
    parts = (model.backbone, model.decode_head, model.auxiliary_head)
    assert [count(part) for part in parts] == [3_829_984, 293_792, 197_032]


def unit(state: State, key: str, x: Tensor, act: bool = True) -> Tensor:
    """Convolution, norm and ReLU."""
    x = norm(state, f'{key}.bn', same_conv(x, state[f'{key}.conv.weight']))
    return relu(x) if act else x


def resized(x: Tensor, height: int, width: int, corners: bool) -> Tensor:
    """Bilinear interpolation, pixel by pixel."""
    out = x.new_zeros(*x.shape[:2], height, width)
    spots = []
    for size, new in ((x.shape[2], height), (x.shape[3], width)):
        line = []
        for i in range(new):
            at = i * (size - 1) / max(new - 1, 1) if corners else (i + 0.5) * size / new - 0.5
            at = min(max(at, 0), size - 1)
            low = min(math.floor(at), size - 1)
            line.append((low, min(low + 1, size - 1), at - low))
        spots.append(line)
    for i, (top, bottom, v) in enumerate(spots[0]):
        for j, (left, right, h) in enumerate(spots[1]):
            upper = (1 - h) * x[:, :, top, left] + h * x[:, :, top, right]
            lower = (1 - h) * x[:, :, bottom, left] + h * x[:, :, bottom, right]
            out[:, :, i, j] = (1 - v) * upper + v * lower
    return out


def attended(state: State, key: str, x: Tensor) -> Tensor:
    """Each pixel plus the scaled mean of all pixels' values, by the softmax of query times key."""
    names = {n: state[f'{key}.{n}_project.weight'][:, :, 0, 0] for n in ('query', 'key', 'value')}
    biases = {n: state[f'{key}.{n}_project.bias'] for n in names}
    out = x.clone()
    for n, image in enumerate(x.flatten(2)):
        query, keys, values = (names[m] @ image + biases[m][:, None] for m in names)
        for pixel in range(image.shape[1]):
            scores = (query[:, pixel : pixel + 1] * keys).sum(0).exp()
            gathered = (values * scores / scores.sum()).sum(1)
            place = divmod(pixel, x.shape[3])
            out[n, :, place[0], place[1]] += state[f'{key}.gamma.scale'] * gathered
    return out


def attention_block(state: State, key: str, x: Tensor) -> Tensor:
    """The residual block at half of the resolution."""
    height, width = x.shape[-2:]
    y = unit(state, f'{key}.reduce', resized(x, height // 2, width // 2, corners=True))
    y = relu(norm(state, f'{key}.norm', attended(state, f'{key}.attention', y)))
    y = resized(unit(state, f'{key}.project', y, act=False), height, width, corners=True)
    short = f'{key}.shortcut'
    return relu(y + (unit(state, short, x) if f'{short}.conv.weight' in state else x))


def test_decoder_is_the_plain_formula() -> None:
    head = decoder()
    sides = ((12, 20), (6, 10), (3, 5), (2, 3))
    maps = [images(2, c, *s, dtype=torch.float64) for c, s in zip((6, 5, 4, 7), sides, strict=True)]
    s4, s8, s16, s32 = maps
    state = double_state(head)
    x = resized(unit(state, 'reduce32', s32), 3, 5, corners=False)
    x = unit(state, 'fuse16', torch.cat([x, s16], 1))
    x = resized(unit(state, 'reduce16', x), 6, 10, corners=False)
    x = unit(state, 'mix8', unit(state, 'fuse8', torch.cat([x, s8], 1)))
    x = resized(attention_block(state, 'attention', x), 12, 20, corners=False)
    x = unit(state, 'fuse4', torch.cat([x, unit(state, 'low', s4)], 1))
    weight, bias = state['conv_seg.weight'], state['conv_seg.bias']
    x = same_conv(x, weight) + bias[:, None, None]
    torch.testing.assert_close(head(maps), x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(('channels', 'inner'), [(16, 16), (264, 132)])
def test_auxiliary_heads_are_the_plain_formula(channels: int, inner: int) -> None:
    head = lively(
        build(
            type='ppnas_mm.CDARTSAuxHead',
            in_channels=channels,
            in_index=1,
            num_classes=3,
            norm_cfg=dict(type='BN'),
            loss_decode=dict(type='ppnas_mm.OHEMLoss', loss_weight=0.2),
        )
    )
    assert head.channels == inner
    x, state = images(2, channels, 4, 6, dtype=torch.float64), double_state(head)
    expected = same_conv(attention_block(state, 'attention', x), state['conv_seg.weight'])
    expected = expected + state['conv_seg.bias'][:, None, None]
    torch.testing.assert_close(head([x[:, :1], x]), expected, rtol=1e-9, atol=1e-9)


def test_the_attention_starts_as_its_shortcut() -> None:
    head = decoder()
    head.init_weights()
    x = images(1, 16, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(head.attention(x), x.relu(), rtol=0, atol=0)


def test_three_maps_are_refused() -> None:
    with pytest.raises(ValueError, match='four maps'):
        decoder(in_channels=[6, 5, 4], in_index=[0, 1, 2])


# -- loss ------------------------------------------------------------------------------------------


@pytest.mark.parametrize('scale', [0.1, 3.0, 30.0])
@pytest.mark.parametrize('kept', [1 / 16, 0.5, 0.9])
def test_loss_is_the_mean_over_the_hard_pixels(scale: float, kept: float) -> None:
    logits = (scale * images(2, 3, 4, 5, dtype=torch.float64)).requires_grad_()
    label = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(0))
    label[0, :2] = 255
    losses = []
    for n in range(2):
        for i in range(4):
            for j in range(5):
                if label[n, i, j] != 255:
                    e = logits[n, :, i, j].exp()
                    losses.append(-(e[label[n, i, j]] / e.sum()).log())
    losses.sort(key=float, reverse=True)
    hard = [value for value in losses if float(-value) < math.log(0.7)]
    most = max(hard, losses[: int(kept * 40)], key=len)
    expected = torch.stack(most).mean()
    loss = build(type='ppnas_mm.OHEMLoss', thresh=0.7, kept=kept, loss_weight=0.2)
    assert loss.loss_name == 'loss_ohem'
    torch.testing.assert_close(loss(logits, label), 0.2 * expected)
    ours, theirs = (torch.autograd.grad(v, logits)[0] for v in (loss(logits, label), expected))
    torch.testing.assert_close(ours, 0.2 * theirs)


def test_loss_of_nothing_is_nothing() -> None:
    logits = images(1, 3, 4, 5).requires_grad_()
    loss = build(type='ppnas_mm.OHEMLoss')(logits, torch.full((1, 4, 5), 255))
    loss.backward()
    assert float(loss) == 0 and float(logits.grad.abs().sum()) == 0


# -- recipes ---------------------------------------------------------------------------------------

SEGMENTORS = {
    'cdarts-b_cityscapes': dict(
        classes=19,
        channels=48,
        epochs=4000,
        crop=(512, 1024),
        scales=[512, 614, 716, 819, 921, 1024, 1126, 1228, 1331, 1433, 1536, 1638, 1740, 1843,
                1945, 2048],
    ),
    'cdarts-b_ade20k': dict(
        classes=150,
        channels=128,
        epochs=1000,
        crop=(640, 640),
        scales=[320, 384, 448, 512, 576, 640, 704, 768, 832, 896, 960],
    ),
}  # fmt: skip
"""The authors' configs; F = 6 and 16."""


@pytest.mark.parametrize('name', SEGMENTORS)
def test_segmentation_is_the_references(name: str) -> None:
    config = load(f'segmentation/{name}')
    model, steps = config.model, config.train_dataloader.dataset.pipeline
    by_type = {step.type: step for step in steps}
    resize = by_type['RandomChoiceResize']
    assert resize.resize_type == 'ResizeShortestEdge'
    found = dict(
        classes=model.decode_head.num_classes,
        channels=model.decode_head.channels,
        epochs=config.train_cfg.max_epochs,
        crop=by_type['RandomCrop'].crop_size,
        scales=list(resize.scales),
    )
    assert found == SEGMENTORS[name]
    assert model.data_preprocessor.size == found['crop']
    assert (model.backbone.arch, model.backbone.last_channels) == ('cdarts_b', 320)
    heads = [model.decode_head, *model.auxiliary_head]
    losses = [head.loss_decode for head in heads]
    assert [loss.loss_weight for loss in losses] == [1.0, 0.2, 0.2]
    assert {(loss.thresh, loss.kept) for loss in losses} == {(0.7, 1 / 16)}
    assert {head.num_classes for head in heads} == {found['classes']}
    optimizer = config.optim_wrapper.optimizer
    assert optimizer == dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4)
    warmup, poly = config.param_scheduler
    assert (warmup.end, warmup.start_factor * optimizer.lr) == (1000, pytest.approx(5e-6))
    assert (poly.type, poly.power, poly.begin, poly.end) == ('PolyLR', 0.9, 0, found['epochs'])
    assert config.auto_scale_lr.base_batch_size == 8 * config.train_dataloader.batch_size == 32
    average = dict(type='EMAHook', momentum=2e-4, update_buffers=True)
    assert average in config.default_hooks.values()  # 0.9998
    norms = {part.norm_cfg.get('momentum', 0.1) for part in (model.backbone, *heads)}
    assert norms == {0.01 if 'ade' in name else 0.1}


@pytest.mark.parametrize(('height', 'width'), [(512, 683), (683, 512), (300, 900), (640, 640)])
def test_ade20k_is_tested_with_a_long_side_of_640(height: int, width: int) -> None:
    """The authors' resize: shorter side 640, longer one at most 640."""
    from mmseg.datasets.transforms import Resize

    (step,) = [
        dict(s)
        for s in load('segmentation/cdarts-b_ade20k').test_dataloader.dataset.pipeline
        if s.type == 'Resize'
    ]
    step.pop('type')
    image = np.zeros((height, width, 3), np.uint8)
    found = Resize(**step)(dict(img=image, img_shape=image.shape[:2]))['img'].shape[:2]
    scale = 640 / max(height, width)
    assert found == (round(height * scale), round(width * scale))


@pytest.mark.parametrize('name', SEGMENTORS)
def test_rates_rise_for_a_thousand_steps_and_fall_by_the_power(name: str) -> None:
    config, length = load(f'segmentation/{name}'), 2
    total = config.train_cfg.max_epochs * length
    rates = learning_rates(config, length)
    linear = [1e-4 + (1 - 1e-4) * min(i / 999, 1) for i in range(total)]
    expected = [0.05 * f * (1 - i / (total - 1)) ** 0.9 for i, f in enumerate(linear)]
    assert rates == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize('letter', ['a', 'b'])
def test_detection_is_the_references(letter: str) -> None:
    config = load(f'detection/retinanet_cdarts-{letter}_coco')
    model = config.model
    assert (model.backbone.arch, model.backbone.norm_cfg.type) == (f'cdarts_{letter}', 'SyncBN')
    neck, head = model.neck, model.bbox_head
    assert neck.in_channels == [24, 40, 96, 960]
    assert (neck.start_level, neck.num_outs, neck.add_extra_convs) == (1, 5, 'on_input')
    assert (head.stacked_convs, head.feat_channels, head.num_classes) == (4, 256, 80)
    assert (head.loss_bbox.type, head.loss_bbox.beta) == ('SmoothL1Loss', 0.11)
    assert (head.loss_cls.gamma, head.loss_cls.alpha) == (2.0, 0.25)
    optimizer = dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4)
    assert config.optim_wrapper.optimizer == optimizer
    assert config.optim_wrapper.clip_grad.max_norm == 35
    warmup, steps = config.param_scheduler
    assert (warmup.end, warmup.by_epoch, warmup.start_factor) == (500, False, 1 / 3)
    assert (steps.milestones, steps.gamma, config.train_cfg.max_epochs) == ([8, 11], 0.1, 12)
    loader = config.train_dataloader
    assert config.auto_scale_lr.base_batch_size == 8 * loader.batch_size == 16
    assert loader.dataset.pipeline[2] == dict(type='Resize', scale=(1333, 800), keep_ratio=True)
    assert model.data_preprocessor.pad_size_divisor == 32


@pytest.mark.parametrize('letter', ['a', 'b'])
def test_classification_is_the_papers(letter: str) -> None:
    config = load(f'classification/cdarts-{letter}_8xb128-350e_in1k')
    assert config.model.backbone.arch == f'cdarts_{letter}'
    assert config.model.head.dropout_rate == 0.2
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('RMSprop', 0.04, 1e-5)
    assert (optimizer.momentum, optimizer.alpha) == (0.9, 0.9)
    warmup, cosine = config.param_scheduler
    assert (warmup.end, cosine.type, cosine.end) == (3, 'CosineAnnealingLR', 350)
    assert config.train_cfg.max_epochs == 350
    assert config.auto_scale_lr.base_batch_size == 8 * config.train_dataloader.batch_size == 1024
    steps = [step.type for step in config.train_dataloader.dataset.pipeline]
    assert 'AutoAugment' in steps
    assert 'EMAHook' in [hook.type for hook in config.default_hooks.values()]


def test_interpolation_is_torchs() -> None:
    """The loop above, against the library."""
    x = images(1, 2, 3, 5, dtype=torch.float64)
    for corners in (False, True):
        theirs = interpolate(x, (6, 7), mode='bilinear', align_corners=corners)
        torch.testing.assert_close(resized(x, 6, 7, corners), theirs)
