"""torch.fx traces every network, so that its tools quantise and prune; in-place activations."""

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from tasks import classifier
from torch import nn
from torch.ao.quantization import get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from zoo import BACKBONES, NETWORKS, build_network, images, scramble

import ppnas_mm
from ppnas_mm.datasets import Digits
from ppnas_mm.inference.export import Plain
from ppnas_mm.registry import MODELS

backbone = pytest.mark.parametrize('name', [f'ppnas_mm.{name}' for name in BACKBONES])


def assert_traced(net: nn.Module, traced: nn.Module) -> None:
    """The graph computes the same, on other sizes than any."""
    for size in ((1, 3, 32, 32), (2, 3, 37, 50)):
        x = images(*size)
        for want, got in zip(net(x), traced(x), strict=True):
            assert (want - got).abs().max() <= 1e-5 * want.abs().max()


@backbone
@pytest.mark.parametrize('given', [None, {'mix': None}])
@torch.no_grad()
def test_plain_and_deployed(name: str, given: Any) -> None:
    for with_cp in (False, True):
        net = scramble(build_network(name, with_cp=with_cp)).eval()
        with torch.enable_grad():
            traced = torch.fx.symbolic_trace(net, concrete_args=given)
        assert_traced(net, traced)
    deployed = net.switch_to_deploy()
    assert_traced(deployed, torch.fx.symbolic_trace(deployed, concrete_args=given))


@backbone
def test_whole_classifiers_and_training(name: str) -> None:
    config = classifier({'type': name, **NETWORKS[name]})
    net = Plain(scramble(MODELS.build(config))).eval()
    traced, x = torch.fx.symbolic_trace(net), images(2, 3, 32, 32)
    torch.testing.assert_close(traced(x), net(x))
    trained = torch.fx.symbolic_trace(build_network(name).train())
    sum(m.sum() for m in trained(x)).backward()
    assert all(p.grad is not None for p in trained.parameters())


def digits(model: Any, split: str, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    data = Digits(split=split, pipeline=[])
    pixels = np.stack([data[i]['img'] for i in range(number)]).astype(np.float32)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    given = model.data_preprocessor
    x = (x - given.mean.view(1, -1, 1, 1)) / given.std.view(1, -1, 1, 1)
    return x, torch.tensor([data[i]['gt_label'] for i in range(number)])


@pytest.mark.parametrize('deployed', [False, True])
@torch.no_grad()
def test_quantised_to_int8_the_digits_stay(deployed: bool) -> None:
    """The documented way: prepare_fx, some images, convert_fx."""
    model = ppnas_mm.zoo.load('pp_resnet20.digits')
    x, labels = digits(model, 'test', 360)
    seen, _ = digits(model, 'train', 64)
    net = Plain(copy.deepcopy(model)).eval()
    if deployed:
        net.network.backbone.switch_to_deploy()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        prepared = prepare_fx(net, get_default_qconfig_mapping('x86'), (seen,))
        prepared(seen)
        quantised = convert_fx(prepared)
    assert not any(type(m) is nn.Conv2d for m in quantised.modules())
    correct = (quantised(x).argmax(1) == labels).sum()
    assert abs(int(correct) - int((model(x).argmax(1) == labels).sum())) <= 4


# -- activations in place --------------------------------------------------------------------------


@pytest.mark.parametrize('name', NETWORKS)
@pytest.mark.parametrize('kind', ['ReLU', 'SiLU', 'HSwish'])
def test_activations_in_place_change_nothing(name: str, kind: str) -> None:
    results = []
    for inplace in (False, True):
        net = build_network(name, act_cfg=dict(type=kind, inplace=inplace)).double().train()
        x = images(2, 3, 16, 16, dtype=torch.float64)
        before = x.clone()
        maps = net(x)
        sum((m * m).mean() for m in maps).backward()
        assert torch.equal(x, before)
        results.append((maps, [p.grad for p in net.parameters()], list(net.buffers())))
    torch.testing.assert_close(results[1], results[0])
