"""What no returned map depends on is neither computed nor trained, and still loads."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import load_checkpoint
from searches import build, every_algorithm, some_images
from tasks import classifier, search_optimizers
from tool import ROOT
from torch import nn
from zoo import NETWORKS, SPACES, build_network, count_multiplications, images

from ppnas_mm.backbones import NASBench201Net
from ppnas_mm.costs.counting import flops_table, params_table, some_path
from ppnas_mm.engine.derive import derive_model
from ppnas_mm.spaces import Fixed
from ppnas_mm.weights.checkpoint import load_backbone, load_weights

network = pytest.mark.parametrize('name', NETWORKS)
indices = pytest.mark.parametrize('out_indices', [(0,), (1,), (2,), (0, 1), (2, 0)])


def assert_all_learn(net: nn.Module) -> None:
    """After one backward pass, what is to learn has a gradient, and nothing else has."""
    parameters = list(net.named_parameters())
    assert any(p.requires_grad for _, p in parameters)
    assert [n for n, p in parameters if p.requires_grad != (p.grad is not None)] == []


def step(net: Any, size: int = 32) -> tuple[torch.Tensor, ...]:
    maps = net(images(2, 3, size, size))
    sum((m * m).mean() for m in maps).backward()
    return maps


@network
@indices
def test_every_parameter_that_may_learn_does(name: str, out_indices: tuple[int, ...]) -> None:
    net = build_network(name, out_indices=out_indices)
    for _ in range(2):  # the mode does not bring them back
        net.train()
        step(net)
        assert_all_learn(net)


@network
def test_stages_behind_are_not_run(name: str) -> None:
    net, called = build_network(name, out_indices=(0,)).train(), []
    for module in net.modules():
        module.register_forward_hook(lambda m, *_: called.append(m))
    before = copy.deepcopy(net.state_dict())
    step(net)
    behind = {m for info in net.feature_info[1:] for m in getattr(net, info['module']).modules()}
    assert called and not behind & set(called)
    names = {info['module'] for info in net.feature_info[1:]}
    for key, value in net.state_dict().items():
        assert key.split('.')[0] not in names or torch.equal(value, before[key])


@network
def test_a_file_of_the_whole_network_loads(name: str, tmp_path: Path) -> None:
    whole = build_network(name)
    state = whole.state_dict()
    path = str(tmp_path / 'whole.pth')
    torch.save({'state_dict': {f'backbone.{k}': v for k, v in state.items()}}, path)
    bare = str(tmp_path / 'bare.pth')
    torch.save({'state_dict': state}, bare)
    config = dict(type='Pretrained', checkpoint=path, prefix='backbone')

    def load_by_init_cfg(net: Any) -> None:
        net.pretrained = [{k: v for k, v in config.items() if k != 'type'}]
        net.init_weights()

    ways = [
        lambda net: net.load_state_dict(state, strict=True),
        lambda net: load_backbone(net, path),
        lambda net: load_weights(net, bare),
        lambda net: load_checkpoint(net, bare, strict=True),
        load_by_init_cfg,
    ]
    for load in ways:
        net = build_network(name, seed=1, out_indices=(0, 1))
        load(net)
        assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
        assert not all(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize('variant', ['cifar', 'imagenet', 'segmentation'])
@pytest.mark.parametrize('out_indices', [(0,), (1,), (0, 2)])
def test_an_auxiliary_head_still_gets_the_last_reduction(
    variant: str, out_indices: tuple[int, ...]
) -> None:
    config: dict[str, Any] = dict(variant=variant, num_cells=6, auxiliary=True)
    some = build_network('ppnas_mm.DARTSNet', out_indices=out_indices, **config).train()
    whole = build_network('ppnas_mm.DARTSNet', **config).train()
    maps, every = step(some, 64), whole(images(2, 3, 64, 64))
    assert_all_learn(some)
    torch.testing.assert_close(maps[0], every[0])  # the last reduction
    torch.testing.assert_close(maps[1:], tuple(every[1 + i] for i in out_indices))
    assert len(some.eval()(images(1, 3, 64, 64))) == len(out_indices)


# -- inside of cells -------------------------------------------------------------------------------


def nb201(*ops: str) -> dict[str, Any]:
    """A cell from its six operations, in the order of the benchmark's names."""
    given = iter(ops)
    nodes = [[{'op': next(given), 'sources': [i]} for i in range(n)] for n in (1, 2, 3)]
    cell = {'name': 'cell', 'inputs': 1, 'nodes': nodes}
    return {'schema': 1, 'space': 'nasbench201', 'cells': [cell]}


CONV, NONE, SKIP = 'nor_conv_3x3', 'none', 'skip_connect'


@pytest.mark.parametrize(
    ('ops', 'convolutions'),
    [
        ((CONV,) * 6, 6),
        ((CONV, CONV, CONV, CONV, NONE, NONE), 1),  # only 3 <- 0
        ((CONV, NONE, CONV, SKIP, NONE, CONV), 3),  # 3 <- 2 <- 1 <- 0
        ((CONV, CONV, CONV, CONV, NONE, CONV), 5),
        ((NONE, NONE, CONV, CONV, NONE, CONV), 3),  # what follows zeros still learns
    ],
)
def test_nodes_that_nobody_reads(ops: tuple[str, ...], convolutions: int) -> None:
    net = NASBench201Net(arch=nb201(*ops), cells_per_stage=1, init_channels=4).train()
    step(net)
    assert_all_learn(net)
    convs = [m for m in net.layer1[0].modules() if isinstance(m, nn.Conv2d)]
    assert sum(m.weight.requires_grad for m in convs) == convolutions


@pytest.mark.parametrize('last', [NONE, CONV])
@indices
def test_of_a_cut_cell_only_what_follows_the_cut_learns(
    last: str, out_indices: tuple[int, ...]
) -> None:
    arch = nb201(CONV, NONE, NONE, NONE, NONE, last)
    net = NASBench201Net(arch=arch, cells_per_stage=2, init_channels=4, out_indices=out_indices)
    head = nn.Parameter(torch.ones(()))
    sum((head * m * m).sum() for m in net.train()(images(2, 3, 16, 16))).backward()
    parameters = list(net.named_parameters())
    assert [n for n, p in parameters if p.requires_grad != (p.grad is not None)] == []
    learning = {'.'.join(n.split('.')[:2]) for n, p in parameters if p.requires_grad}
    ends = ('layer1.1', 'layer2.2', 'layer3.2')
    cells = {ends[i] for i in out_indices} if last == CONV else set()
    assert learning == cells | ({'layer3.3'} if 2 in out_indices else set())  # its norm


# -- searches --------------------------------------------------------------------------------------


@pytest.mark.parametrize('space', SPACES)
def test_cells_that_are_not_computed_cost_nothing(space: str) -> None:
    net = build_network(SPACES[space]['type'], out_indices=(0,)).eval()
    idle, path = net.idle_choices(), some_path(net)
    assert bool(idle) == (space != 'nasbench201')
    table = flops_table(net, (3, 32, 32))
    assert all(set(table.entries[name]) <= {0} for name in idle if name in table.entries)
    net.mixture = Fixed(path)
    assert table(path) == count_multiplications(net, images(1, 3, 32, 32))
    assert params_table(net)(path) > 0


@every_algorithm
@pytest.mark.parametrize('space', ['chain', 'darts', 'ppconv'])
def test_searches_below_the_last_stage_end(name: str, space: str) -> None:
    """What is not computed gets some operation; the rest is found as ever."""
    config = classifier({**SPACES[space], 'out_indices': (0,)})
    algorithm = build(name, space, config=config)
    algorithm.init_weights()
    optimizers = search_optimizers(algorithm.train())
    for epoch in (1, 2):
        algorithm.before_epoch(epoch)
        logs = algorithm.train_step(some_images(algorithm, epoch), optimizers)
        assert all(torch.isfinite(torch.as_tensor(v)).all() for v in logs.values())
    genotype = algorithm.derive(strict=False)
    maps = derive_model(algorithm, genotype).eval()(images(1, 3, 32, 32), mode='tensor')
    assert torch.isfinite(maps).all()


def test_ppnas_repairs_only_what_is_not_computed() -> None:
    algorithm: Any = build('PPNAS', 'ppconv', config=classifier({
        **SPACES['ppconv'], 'out_indices': (1,)}))  # fmt: skip
    net = algorithm.super_net
    assert {name.split('/')[0] for name in net.idle_choices()} == {'stage3'}
    with torch.no_grad():
        for value in net.arch_parameters().values():
            if value.requires_grad:
                value.fill_(9.0)
    net.check(algorithm.decide(strict=True))
    with torch.no_grad():
        next(iter(net.arch_parameters().values())).fill_(-9.0)
    with pytest.raises(ValueError, match='stage1 node 4 has no input'):
        algorithm.decide(strict=True)


# -- several processes -----------------------------------------------------------------------------


def test_ddp_needs_no_scan_for_unused_parameters() -> None:
    """Two processes, two steps each, every network, several ``out_indices``."""
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2',
        str(ROOT / 'tests/helpers/ddp_steps.py'),
    ]  # fmt: skip
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests/helpers')])
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count('STEPPED') == 2 * 2 * len(NETWORKS)
