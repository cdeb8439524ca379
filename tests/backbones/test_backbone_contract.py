"""What mmpretrain, mmdet and mmseg expect of a backbone, for derived networks and super-nets."""

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo import NETWORKS, RESNETS, build_network, images, scramble

from ppnas_mm.weights.checkpoint import CheckpointError
from ppnas_mm.weights.index import ZooError

network = pytest.mark.parametrize('name', NETWORKS)


def stages_of(net: Any) -> list[nn.Module]:
    """The stem, then the stages."""
    return [net.stem, *(getattr(net, info['module']) for info in net.feature_info)]


def batch_norms(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, _BatchNorm)]


# -- feature maps ----------------------------------------------------------------------------------


@network
def test_feature_info_tells_the_shapes(name: str) -> None:
    net = build_network(name).eval()
    maps = net(images(1, 3, 64, 96))
    assert isinstance(maps, tuple)
    assert len(maps) == len(net.feature_info) == len(net.out_channels)
    for info, channels, out in zip(net.feature_info, net.out_channels, maps, strict=True):
        assert info['num_chs'] == channels
        assert out.shape == (1, channels, 64 // info['reduction'], 96 // info['reduction'])


@network
@pytest.mark.parametrize('indices', [(0,), (2,), (0, 2), [1, 2], (2, 0)])
def test_out_indices_choose_stages_in_their_order(name: str, indices: Any) -> None:
    net = build_network(name, out_indices=indices).eval()
    every = build_network(name).eval()
    x = images(1, 3, 32, 32)
    maps, all_maps = net(x), every(x)
    assert net.out_channels == [m.shape[1] for m in maps]
    assert len(maps) == len(indices)
    for i, out in zip(indices, maps, strict=True):
        torch.testing.assert_close(out, all_maps[i])


# -- freezing --------------------------------------------------------------------------------------


@network
@pytest.mark.parametrize('frozen', [-1, 0, 1, 3])
def test_frozen_stages_neither_learn_nor_move(name: str, frozen: int) -> None:
    net = build_network(name, frozen_stages=frozen)
    for _ in range(2):
        net.train()
        for i, stage in enumerate(stages_of(net)):
            assert all(p.requires_grad == (i > frozen) for p in stage.parameters())
            assert all(m.training == (i > frozen) for m in stage.modules())
    before = copy.deepcopy(net.state_dict())
    loss = sum(out.sum() for out in net(images(2, 3, 32, 32)))
    if loss.requires_grad:
        loss.backward()
    prefixes = ['stem', *(info['module'] for info in net.feature_info)]
    for i, (stage, prefix) in enumerate(zip(stages_of(net), prefixes, strict=True)):
        state = {f'{prefix}.{key}': value for key, value in stage.state_dict().items()}
        moved = any(not torch.equal(value, before[key]) for key, value in state.items())
        assert moved == (i > frozen)
        assert all((p.grad is None) == (i <= frozen) for p in stage.parameters())
    net.eval()
    assert not any(m.training for m in net.modules())


@network
@pytest.mark.parametrize('norm_eval', [False, True])
def test_norm_eval_keeps_statistics(name: str, norm_eval: bool) -> None:
    net = build_network(name, norm_eval=norm_eval).train()
    assert net.training and batch_norms(net)
    assert all(m.training != norm_eval for m in batch_norms(net))
    assert all(p.requires_grad for p in net.parameters())


# -- memory, building blocks -----------------------------------------------------------------------


@network
def test_with_cp_changes_no_output_no_gradient_and_no_statistic(name: str) -> None:
    results = []
    for with_cp in (False, True):
        net = scramble(build_network(name, with_cp=with_cp)).double().train()
        x = images(2, 3, 32, 32, dtype=torch.float64).requires_grad_()
        maps = net(x)
        sum((m * m).mean() for m in maps).backward()
        gradients = {n: p.grad for n, p in net.named_parameters()}
        results.append((maps, x.grad, gradients, dict(net.named_buffers())))
    (maps, dx, gradients, buffers), (maps_cp, dx_cp, gradients_cp, buffers_cp) = results
    torch.testing.assert_close(maps_cp, maps)
    torch.testing.assert_close(dx_cp, dx)
    assert gradients.keys() == gradients_cp.keys()
    for key, gradient in gradients.items():
        torch.testing.assert_close(gradients_cp[key], gradient)
    for key, buffer in buffers.items():  # running statistics have seen one batch, not two
        torch.testing.assert_close(buffers_cp[key], buffer)


@network
def test_with_cp_recomputes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = torch.utils.checkpoint.checkpoint
    monkeypatch.setattr(
        'torch.utils.checkpoint.checkpoint', lambda *a, **k: calls.append(k) or real(*a, **k)
    )
    net = build_network(name, with_cp=True)
    net(images(2, 3, 32, 32))
    members = [member for stage in stages_of(net)[1:] for member in stage]
    blocks = sum(len(getattr(member, 'nodes', [member])) for member in members)
    assert len(calls) == blocks
    assert all(k['use_reentrant'] is False for k in calls)


@network
def test_conv_cfg_reaches_every_convolution(name: str) -> None:
    net = build_network(name, conv_cfg={'type': 'ConvWS'})
    kinds = {type(m).__name__ for m in net.modules() if isinstance(m, nn.Conv2d)}
    assert kinds == {'ConvWS2d'}


@network
@pytest.mark.parametrize(
    ('norm_cfg', 'kind'),
    [
        ({'type': 'GN', 'num_groups': 1}, nn.GroupNorm),
        ({'type': 'SyncBN', 'requires_grad': True}, nn.SyncBatchNorm),
        ({'type': 'BN', 'momentum': 0.03, 'eps': 1e-3}, nn.BatchNorm2d),
    ],
)
def test_norm_cfg_reaches_every_norm(name: str, norm_cfg: dict, kind: type) -> None:
    net = build_network(name, norm_cfg=norm_cfg)
    norms = [m for m in net.modules() if isinstance(m, (_BatchNorm, nn.GroupNorm))]
    assert norms and all(isinstance(m, kind) for m in norms)
    if norm_cfg['type'] == 'BN':
        assert all((m.momentum, m.eps) == (0.03, 1e-3) for m in norms)
    if norm_cfg['type'] == 'GN':
        assert all(torch.isfinite(m).all() for m in net(images(2, 3, 32, 32)))


@network
@pytest.mark.parametrize(
    ('kind', 'cls'), [('LeakyReLU', nn.LeakyReLU), ('SiLU', nn.SiLU), ('GELU', nn.GELU)]
)
def test_act_cfg_reaches_every_activation(name: str, kind: str, cls: type) -> None:
    net = build_network(name, act_cfg={'type': kind})
    defaults = (nn.ReLU, nn.ReLU6, nn.SiLU)
    usual = [m for m in build_network(name).modules() if isinstance(m, defaults)]
    found = [m for m in net.modules() if isinstance(m, (*defaults, cls))]
    assert len(found) == len(usual) > 0 and all(isinstance(m, cls) for m in found)
    sum(m.sum() for m in net(images(2, 3, 32, 32))).backward()


# -- initialisation --------------------------------------------------------------------------------


@network
def test_initialisation_is_he_normal_over_the_fan_out(name: str) -> None:
    wide: dict[str, Any] = {k: 4 * v for k, v in NETWORKS[name].items() if k.endswith('channels')}
    net = build_network(name, **wide, **({'zero_init_residual': False} if name in RESNETS else {}))
    net.init_weights()
    scaled, checked = [], 0
    for module in net.modules():
        if not isinstance(module, nn.Conv2d):
            continue
        kernel = module.weight[0, 0].numel()
        expected = math.sqrt(2 / (kernel * module.out_channels))
        scaled.append(module.weight.detach().flatten() / expected)
        assert module.bias is None or (module.bias == 0).all()
        if module.weight.numel() >= 4096:
            assert float(module.weight.std()) == pytest.approx(expected, rel=0.07)
            assert abs(float(module.weight.mean())) < 5 * expected / module.weight.numel() ** 0.5
            checked += 1
    assert checked > 10
    assert float(torch.cat(scaled).std()) == pytest.approx(1, rel=0.02)
    for norm in batch_norms(net):
        if norm.affine:
            assert (norm.weight == 1).all() and (norm.bias == 0).all()


@network
def test_a_pretrained_file_gives_every_value(name: str, tmp_path: Path) -> None:
    source = scramble(build_network(name))
    path = str(tmp_path / 'weights.pth')
    torch.save({'state_dict': {f'backbone.{k}': v for k, v in source.state_dict().items()}}, path)
    init_cfg = {'type': 'Pretrained', 'checkpoint': path, 'prefix': 'backbone'}
    net = build_network(name, seed=1, init_cfg=init_cfg)
    net.init_weights()
    for key, value in source.state_dict().items():
        torch.testing.assert_close(net.state_dict()[key], value, rtol=0, atol=0)


def test_weights_that_are_not_there_name_the_line_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without a net."""
    monkeypatch.setenv('PPNAS_OFFLINE', '1')
    monkeypatch.setenv('PPNAS_CACHE', str(tmp_path))
    wanted = {'ppnas://pp_resnet50.imagenet': ZooError, str(tmp_path / 'w.pth'): CheckpointError}
    for checkpoint, error in wanted.items():
        net = build_network(
            'ppnas_mm.PPResNet', init_cfg={'type': 'Pretrained', 'checkpoint': checkpoint}
        )
        with pytest.raises(error, match=r'model\.backbone\.init_cfg: =None') as info:
            net.init_weights()
        assert '\n' not in str(info.value)


# -- other tools -----------------------------------------------------------------------------------


@network
def test_layer_depth_grows_along_the_network(name: str) -> None:
    net = build_network(name)
    stages = len(net.feature_info)
    depths = {}
    for key, _ in net.named_parameters():
        depth, layers = net.get_layer_depth(f'backbone.{key}', 'backbone.')
        assert layers == stages + 2
        depths.setdefault(key.split('.')[0], set()).add(depth)
    assert depths['stem'] == {0}
    for i, info in enumerate(net.feature_info, 1):
        assert depths[info['module']] == {i}
    assert net.get_layer_depth('head.fc.weight', 'backbone.') == (stages + 1, stages + 2)
    assert net.get_layer_depth('stem.0.conv.weight') == (0, stages + 2)
    assert net.get_layer_depth('backbone.stem.0.conv.weight', 'neck.') == (stages + 1, stages + 2)


@network
def test_copies_and_pickles_compute_the_same(name: str) -> None:
    net = scramble(build_network(name)).eval()
    x = images(1, 3, 32, 32)
    for twin in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert twin.state_dict().keys() == net.state_dict().keys()
        torch.testing.assert_close(twin(x), net(x), rtol=0, atol=0)


@network
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float16, 0.04), (torch.bfloat16, 0.25)])
def test_mixed_precision_stays_close(name: str, dtype: torch.dtype, tolerance: float) -> None:
    net = build_network(name)
    for norm in batch_norms(net):
        norm.momentum = 1.0
    with torch.no_grad():  # with statistics of no data, maps may be too small for fp16
        net.train()(images(8, 3, 64, 64))
    net.eval()
    x = images(1, 3, 32, 32)
    with torch.no_grad():
        expected = net(x)
        with torch.autocast('cpu', dtype=dtype):
            maps = net(x)
    for out, full in zip(maps, expected, strict=True):
        assert float((out.float() - full).norm() / full.norm()) < tolerance


@network
def test_tracing_computes_the_same_on_other_images(name: str) -> None:
    net = scramble(build_network(name)).eval()
    traced = torch.jit.trace(net, images(1, 3, 32, 32), check_trace=False)
    x = images(2, 3, 32, 32, seed=9)
    torch.testing.assert_close(traced(x), net(x))
