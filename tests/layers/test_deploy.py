"""The deployed form computes what the plain form computes."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo import BACKBONES, SPACES, build_network, build_super_net, images, scramble

from ppnas_mm import Genotype, published
from ppnas_mm.backbones.pp_conv import SumPPConv
from ppnas_mm.genotype import SPACE_RULES
from ppnas_mm.inference.export import FORMATS, export_network
from ppnas_mm.layers.deploy import DeployError
from ppnas_mm.weights.checkpoint import CheckpointError, load_backbone, load_weights

SIZES = [(1, 3, 33, 47), (2, 3, 64, 32)]
BACKBONE_NAMES = [f'ppnas_mm.{name}' for name in BACKBONES]
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in BACKBONE_NAMES},
    **{
        f'PPResNet {block}': ('ppnas_mm.PPResNet', {'block': block, 'base_width': 26})
        for block in ('resnet', 'resnext', 'res2net')
    },
    **{
        arch: (f'ppnas_mm.PPResNet{"" if len(genotype.cells) == 4 else "CIFAR"}', {'arch': arch})
        for arch, genotype in ((arch, Genotype.load(arch)) for arch in published())
        if genotype.space == 'ppconv'
    },
    'frozen': ('ppnas_mm.MobileNASNet', dict(frozen_stages=2, norm_eval=True, out_indices=(2, 0))),
    'pools with norms': ('ppnas_mm.DARTSNet', dict(pool_norm=True, variant='segmentation')),
    'dilated': ('ppnas_mm.PPResNet', dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))),
}
backbone = pytest.mark.parametrize('name', BACKBONE_NAMES)


def plain(name: str, **overrides: Any) -> Any:
    """A network with statistics that are no identity, in evaluation mode."""
    return scramble(build_network(name, **overrides)).eval()


@torch.no_grad()
def assert_same_maps(want: tuple[Tensor, ...], got: tuple[Tensor, ...]) -> None:
    assert len(got) == len(want)
    for a, b in zip(want, got, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= 1e-5 * a.abs().max()


@pytest.mark.parametrize('variant', VARIANTS)
@torch.no_grad()
def test_maps_are_the_same(variant: str) -> None:
    name, overrides = VARIANTS[variant]
    net = plain(name, **overrides)
    inputs = [images(*size) for size in SIZES]
    want = [net(x) for x in inputs]
    assert net.switch_to_deploy() is net
    for x, maps in zip(inputs, want, strict=True):
        assert_same_maps(maps, net(x))


@backbone
def test_no_foldable_norm_and_no_gradient_is_left(name: str) -> None:
    net = plain(name)
    before = sum(isinstance(m, _BatchNorm) for m in net.modules())
    net.switch_to_deploy()
    left = [m for m in net.modules() if isinstance(m, _BatchNorm)]
    # NAS-Bench-201's last norm follows a sum
    assert len(left) == (name == 'ppnas_mm.NASBench201Net') < before
    assert not any(p.requires_grad for p in net.parameters())
    convs = [m.weight for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in convs)


@pytest.mark.parametrize(
    'overrides',
    [
        dict(norm_cfg=dict(type='BN', affine=False)),
        dict(norm_cfg=dict(type='GN', num_groups=1)),
        dict(norm_cfg=dict(type='BN', track_running_stats=False)),
        dict(conv_cfg=dict(type='ConvAWS')),
        dict(act_cfg=dict(type='GELU')),
    ],
    ids=str,
)
@pytest.mark.parametrize('name', ['ppnas_mm.PPResNetCIFAR', 'ppnas_mm.DARTSNet'])
@torch.no_grad()
def test_other_layers_stay_or_fold(name: str, overrides: dict[str, Any]) -> None:
    """What cannot be folded is left as it is."""
    net = plain(name, **overrides).double()
    x = images(2, 3, 32, 48, dtype=torch.float64)
    want = net(x)
    assert_same_maps(want, net.switch_to_deploy()(x))


@pytest.mark.parametrize('op', sorted(SPACE_RULES['ppconv'].ops))
@torch.no_grad()
def test_constants_of_means_are_folded_through_every_operation(op: str) -> None:
    """Identities and other operations read means of means, of 1 to 5 nodes."""
    nodes = [
        ('identity', [0, 1, 2]),
        ('identity', [4]),
        (op, [2, 4, 5, 1, 3]),
        ('identity', [4, 6]),
    ]
    cell = {'inputs': 4, 'nodes': [[{'op': o, 'sources': sorted(s)}] for o, s in nodes]}
    cells = [{'name': f'stage{s}', **cell} for s in (1, 2, 3)]
    arch = {'schema': 1, 'space': 'ppconv', 'cells': cells}
    net = plain('ppnas_mm.PPResNetCIFAR', arch=arch)
    x = images(2, 3, 17, 20)
    want = net(x)
    assert_same_maps(want, net.switch_to_deploy()(x))
    for block in (m for m in net.modules() if isinstance(m, SumPPConv)):
        assert block.scales == [1.0] * 4


@backbone
@torch.no_grad()
def test_the_second_switch_does_nothing(name: str) -> None:
    net = plain(name).switch_to_deploy()
    modules, state = list(net.modules()), copy.deepcopy(net.state_dict())
    assert net.switch_to_deploy() is net
    assert list(net.modules()) == modules
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


@backbone
def test_deployed_networks_do_not_learn(name: str) -> None:
    net = build_network(name).train().switch_to_deploy()
    assert not any(m.training for m in net.modules())
    net.eval()
    with pytest.raises(DeployError, match='build it again'):
        net.train()
    with pytest.raises(DeployError, match='init_weights'):
        net.init_weights()


@backbone
@torch.no_grad()
def test_weights_come_before_the_switch(name: str, tmp_path: Path) -> None:
    net = plain(name)
    weights, x = net.state_dict(), images(1, 3, 32, 32)
    torch.save({'state_dict': weights}, tmp_path / 'plain.pth')
    deployed = copy.deepcopy(net).switch_to_deploy()
    with pytest.raises(DeployError, match='load them first'):
        deployed.load_state_dict(weights, strict=False)
    for load in (load_weights, load_backbone):
        with pytest.raises(CheckpointError, match='deployed form'):
            load(deployed, tmp_path / 'plain.pth')
    with pytest.raises(RuntimeError, match='Missing key'):
        net.load_state_dict(deployed.state_dict())
    other = build_network(name, seed=1).switch_to_deploy()
    other.load_state_dict(deployed.state_dict())
    assert_same_maps(deployed(x), other(x))
    assert_same_maps(deployed(x), pickle.loads(pickle.dumps(deployed))(x))


@pytest.mark.parametrize('space', SPACES)
def test_super_nets_have_no_deployed_form(space: str) -> None:
    with pytest.raises(DeployError, match='derive'):
        build_super_net(space).switch_to_deploy()


@torch.no_grad()
def test_compiled_without_a_graph_break() -> None:
    """The other backbones are slow to trace: ``tests/slow/test_deploy_compiled.py``."""
    net, x = plain('ppnas_mm.PPResNetCIFAR').switch_to_deploy(), images(1, 3, 32, 32)
    found = torch._dynamo.explain(net)(x)
    torch._dynamo.reset()
    assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons


@pytest.mark.parametrize('file_format', ['onnx', 'torchscript'])
def test_what_is_exported_is_the_deployed_form(
    file_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared by the export with the plain form, which stays as it was; pt2: ``tests/slow``."""
    seen = []
    make, load = FORMATS[file_format]
    monkeypatch.setitem(
        FORMATS,
        file_format,
        (lambda net, *rest: seen.append(net.network.is_deployed) or make(net, *rest), load),
    )
    net = plain('ppnas_mm.PPResNetCIFAR')
    assert export_network(net, file_format, tmp_path / 'net', (16, 16)) <= 1e-5
    assert seen == [True] and not net.is_deployed
    assert any(isinstance(m, _BatchNorm) for m in net.modules())
