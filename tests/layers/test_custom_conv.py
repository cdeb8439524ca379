"""Convolutions that are none of torch's: initialised, deployed and laid out as they were built."""

import copy
from typing import Any

import mmcv.ops
import pytest
import torch
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor, nn
from zoo import build_network, images, scramble

from ppnas_mm.engine.channels_last import ChannelsLastHook
from ppnas_mm.layers.memory_layout import custom_convs, to_channels_last

assert mmcv.ops  # registers the deformable convolutions


class OwnConv(nn.Module):
    """A convolution layer of somebody's own, without a weight of its own: it holds plain layers."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, **kwargs: Any) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel, **kwargs), nn.BatchNorm2d(out_channels)
        )
        nn.init.constant_(self.body[0].weight, 0.01)
        # what mmcv's ConvModule asks of a convolution
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = self.body[0].kernel_size
        self.stride, self.padding = self.body[0].stride, self.body[0].padding
        self.dilation, self.groups = self.body[0].dilation, self.body[0].groups
        self.transposed, self.output_padding = False, (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        assert x.is_contiguous()
        return self.body(x)


ROOT_MODELS.register_module('TestOwnConv', module=OwnConv, force=True)
needs_ops = pytest.mark.skipif(
    not getattr(mmcv.ops.deform_conv.ext_module, '__file__', None),
    reason="mmcv's ops are not compiled here: make ops compiles them",
)
DEFORMABLE = [pytest.param(kind, marks=needs_ops) for kind in ('DCN', 'DCNv2')]
kinds = pytest.mark.parametrize('kind', [*DEFORMABLE, 'ConvWS', 'ConvAWS', 'SAC', 'TestOwnConv'])
SIZE = (2, 3, 32, 32)
NAMES = [
    f'ppnas_mm.{name}'
    for name in ('PPResNetCIFAR', 'DARTSNet', 'NASBench201Net', 'NASBench201SuperNet')
]
"""Networks whose maps of such images are no smaller than mmcv's kernels want them."""


def build(name: str, kind: str) -> Any:
    return build_network(name, conv_cfg=dict(type=kind))


def inside(net: nn.Module) -> dict[str, Tensor]:
    """The tensors of layers inside of convolutions: offsets, switches, contexts."""
    found = {}
    for name, module in net.named_modules():
        if type(module).__name__ in ('DeformConv2dPack', 'ModulatedDeformConv2dPack', 'SAConv2d'):
            for key, value in module.state_dict().items():
                if '.' in key:
                    found[f'{name}.{key}'] = value.clone()
        if isinstance(module, OwnConv):
            found.update({f'{name}.{k}': v.clone() for k, v in module.state_dict().items()})
    return found


@kinds
@pytest.mark.parametrize('name', NAMES)
def test_layers_inside_start_as_they_were_built(name: str, kind: str) -> None:
    net = build(name, kind)
    before = inside(net)
    assert bool(before) == (kind not in ('ConvWS', 'ConvAWS'))
    net.init_weights()
    after = inside(net)
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    if kind in ('DCN', 'DCNv2'):
        assert not any(v.any() for v in after.values())


def stirred(name: str, kind: str) -> Any:
    """A network whose offsets and statistics are not zero."""
    net = scramble(build(name, kind)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if 'conv_offset' in key:
                value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    return net


def assert_same(want: tuple[Tensor, ...], got: tuple[Tensor, ...]) -> None:
    for a, b in zip(want, got, strict=True):
        assert (a - b).abs().max() <= 1e-5 * a.abs().max()


@kinds
@pytest.mark.parametrize('name', NAMES[:-1])
@torch.no_grad()
def test_the_deployed_form_computes_the_same(name: str, kind: str) -> None:
    net = stirred(name, kind).double()
    x = images(*SIZE, dtype=torch.float64)
    want = net(x)
    types = [type(m) for m in custom_convs(net)]
    deployed = copy.deepcopy(net).switch_to_deploy()
    assert_same(want, deployed(x))
    assert [type(m) for m in custom_convs(deployed)] == types
    own = [m for m in deployed.modules() if isinstance(m, OwnConv)]
    assert all(isinstance(m.body[1], nn.BatchNorm2d) for m in own)  # not folded


@kinds
@pytest.mark.parametrize('name', NAMES)
def test_channels_last_computes_the_same(name: str, kind: str) -> None:
    net = stirred(name, kind).double()
    x = images(*SIZE, dtype=torch.float64)
    want = net(x)
    other = copy.deepcopy(net).to(memory_format=torch.channels_last)
    for given in (x, x.contiguous(memory_format=torch.channels_last)):
        assert_same(want, other(given))
    for conv in custom_convs(other):
        assert all(p.is_contiguous() for p in conv.parameters())
    gradients = []
    for twin in (net, other):
        sum((m * m).mean() for m in twin(x)).backward()
        gradients.append({n: p.grad for n, p in twin.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient)


@needs_ops
def test_the_hook_converts_a_whole_model_with_convolutions_of_others() -> None:
    """A deformable convolution behind the backbone, which was not built by the package."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 3, padding=1)
            self.conv = mmcv.ops.ModulatedDeformConv2dPack(4, 4, 3, padding=1)
            nn.init.normal_(self.conv.conv_offset.weight)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.first(x))

    model, x = Model(), images(2, 3, 16, 16)
    want = model(x)
    runner: Any = type('Runner', (), {'model': model})()
    ChannelsLastHook().before_train(runner)
    assert model.first.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(model(x), want)
    assert to_channels_last(model) is model


def test_a_checkpoint_and_a_copy_keep_the_layer() -> None:
    net = build_network('ppnas_mm.PPResNetCIFAR', depth=11, conv_cfg=dict(type='DCNv2'))
    plain = build_network('ppnas_mm.PPResNetCIFAR', depth=11)
    assert not custom_convs(plain)
    keys = set(net.state_dict())
    assert any('conv_offset' in key for key in keys)
    assert set(copy.deepcopy(net).state_dict()) == keys
