"""DeepLabV3PlusHead: the differences from mmseg's head, against torch's own operations."""

import pytest
import torch
from mmcv.cnn import DepthwiseSeparableConvModule
from torch.nn import functional

from ppnas_mm.registry import MODELS

BACKBONE = dict(type='ppnas_mm.PPResNet', depth=50, stem_channels=8, base_channels=8)


def head(kind, **kwargs):
    config = dict(
        type=kind, num_classes=5, in_channels=32, in_index=1, channels=8, dilations=(1, 2, 4),
        c1_in_channels=16, c1_channels=4, dropout_ratio=0, norm_cfg=dict(type='BN'),
        align_corners=False, loss_decode=dict(type='mmseg.CrossEntropyLoss'),
    )  # fmt: skip
    torch.manual_seed(0)
    return MODELS.build({**config, **kwargs}).eval()


def test_the_differences_are_the_two_and_no_other():
    ours = {k: v.shape for k, v in head('ppnas_mm.DeepLabV3PlusHead').state_dict().items()}
    theirs = {k: v.shape for k, v in head('mmseg.DepthwiseSeparableASPPHead').state_dict().items()}
    assert ours['bottleneck.conv.weight'][2:] == (1, 1) != theirs['bottleneck.conv.weight'][2:]
    depthwise = {k for k in theirs if 'depthwise_conv.bn' in k}
    assert theirs.keys() - ours.keys() == depthwise != set()
    assert {k.split('.')[-1] for k in ours.keys() - theirs.keys()} == {'bias'}
    assert all('depthwise_conv.conv' in k for k in ours.keys() - theirs.keys())
    same = ours.keys() & theirs.keys() - {'bottleneck.conv.weight'}
    assert all(ours[k] == theirs[k] for k in same)


def conv_bn_relu(x, module):
    return bn_relu(module.conv(x), module.bn)


def bn_relu(x, bn):
    x = (x - bn.running_mean[:, None, None]) / (bn.running_var[:, None, None] + bn.eps).sqrt()
    return (x * bn.weight[:, None, None] + bn.bias[:, None, None]).relu()


def separable(x, module, rate):
    c = module.depthwise_conv.conv
    x = functional.conv2d(x, c.weight, c.bias, padding=rate, dilation=rate, groups=x.shape[1])
    return conv_bn_relu(x, module.pointwise_conv)


def whole(x, module, rate):
    assert module.conv.weight.shape[1:] == (x.shape[1], 3, 3) and module.conv.bias is None
    x = functional.conv2d(x, module.conv.weight, padding=rate, dilation=rate)
    return bn_relu(x, module.bn)


@pytest.mark.parametrize(('given', 'conv'), [(True, separable), (False, whole)])
def test_forward_is_the_plain_formula(given, conv):
    net = head('ppnas_mm.DeepLabV3PlusHead', separable=given).double()
    low, high = torch.randn(2, 16, 12, 12).double(), torch.randn(2, 32, 6, 6).double()
    pooled = conv_bn_relu(high.mean((2, 3), keepdim=True), net.image_pool[1]).expand(2, 8, 6, 6)
    branches = [pooled, conv_bn_relu(high, net.aspp_modules[0])]
    branches += [conv(high, net.aspp_modules[i], rate) for i, rate in ((1, 2), (2, 4))]
    x = conv_bn_relu(torch.cat(branches, 1), net.bottleneck)
    x = functional.interpolate(x, size=(12, 12), mode='bilinear', align_corners=False)
    x = torch.cat([x, conv_bn_relu(low, net.c1_bottleneck)], 1)
    for module in net.sep_bottleneck:
        x = conv(x, module, 1)
    torch.testing.assert_close(net([low, high]), net.conv_seg(x))


def test_each_depthwise_convolution_has_a_bias_and_no_norm():
    net = head('ppnas_mm.DeepLabV3PlusHead')
    separables = [m for m in net.modules() if isinstance(m, DepthwiseSeparableConvModule)]
    assert len(separables) == 4
    for module in separables:
        conv = module.depthwise_conv
        assert conv.conv.bias is not None and not conv.with_norm and not conv.with_activation


@pytest.mark.parametrize(
    ('strides', 'dilations', 'stage4', 'stride'),
    [((1, 2, 1, 1), (1, 1, 2, 4), [2, 8, 16], 8), ((1, 2, 2, 1), (1, 1, 1, 2), [1, 4, 8], 16)],
)
@pytest.mark.parametrize('block', ['ppconv', 'res2net', 'resnet'])
def test_dilations_of_stage_4_with_multi_grid(block, strides, dilations, stage4, stride):
    net = MODELS.build(
        dict(BACKBONE, block=block, strides=strides, dilations=dilations, multi_grid=(1, 2, 4))
    )
    found = []
    for bottleneck in net.layer4:
        convs = [m for m in bottleneck.conv2.modules() if isinstance(m, torch.nn.Conv2d)]
        rates = {c.dilation[0] for c in convs if c.kernel_size == (3, 3)}
        assert len(rates) == 1
        found += rates
    assert found == stage4
    assert net.feature_info[-1]['reduction'] == stride
    assert net.eval()(torch.zeros(1, 3, 64, 64))[-1].shape[-1] == 64 // stride


def test_a_classification_checkpoint_keeps_its_keys_at_every_output_stride():
    keys = [
        list(MODELS.build(dict(BACKBONE, strides=s)).state_dict())
        for s in ((1, 2, 2, 2), (1, 2, 2, 1), (1, 2, 1, 1), (2, 2, 2, 2))
    ]
    assert all(k == keys[0] for k in keys)
