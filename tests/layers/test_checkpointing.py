"""Activation checkpointing: memory, random draws; channels-last: both leave a step as it is."""

import copy
from functools import cache
from typing import Any

import pytest
import torch
from mmcv.cnn.bricks import DropPath
from searches import batch_for, build, every_algorithm
from tasks import classifier, classifier_batch, search_optimizers
from torch import Tensor, nn
from zoo import SPACES, build_network, images

from ppnas_mm.benchmarks import activations, memory
from ppnas_mm.benchmarks.step_counters import count_saved
from ppnas_mm.spaces import SuperNet

# -- a step of every search ------------------------------------------------------------------------


@cache
def stepped(name: str, with_cp: bool = False, channels_last: bool = False) -> dict[str, Tensor]:
    """State, in double precision, after two steps of a search in its smallest space."""
    space = 'ppconv' if name == 'PPNAS' else 'nasbench201'
    config = classifier({**SPACES[space], 'with_cp': with_cp})
    algorithm = build(name, space, config=config).double().train()
    for module in algorithm.modules():
        if isinstance(module, SuperNet):  # the preprocessors give single precision
            module.register_forward_pre_hook(lambda net, given: (given[0].double(),))
    if channels_last:
        algorithm.to(memory_format=torch.channels_last)
    optimizers = search_optimizers(algorithm)
    algorithm.before_epoch(2)  # of CDARTS, the epoch in which all parts learn
    for step in range(2):
        batch = classifier_batch(size=16, seed=step)
        algorithm.train_step(batch_for(algorithm, batch), optimizers)
    return copy.deepcopy(algorithm.state_dict())


@every_algorithm
@pytest.mark.parametrize('option', ['with_cp', 'channels_last'])
def test_a_step_of_a_search_stays_the_same(name: str, option: str) -> None:
    expected, found = stepped(name), stepped(name, **{option: True})
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.allclose(found[key], value, rtol=1e-9, atol=1e-10), key


# -- random draws ----------------------------------------------------------------------------------

DROPS = (
    'ChainNet',
    'DARTSNet',
    'MobileNASNet',
    'NASBench201Net',
    'PPResNetCIFAR',
    'PPConvSuperNet',
)


@pytest.mark.parametrize('name', DROPS)
def test_the_same_paths_are_dropped_again(name: str) -> None:
    gradients = []
    for with_cp in (False, True):
        net = build_network(f'ppnas_mm.{name}', with_cp=with_cp, drop_path_rate=0.5).double()
        drops = [m for m in net.train().modules() if isinstance(m, DropPath)]
        assert drops
        torch.manual_seed(3)
        maps = net(images(4, 3, 16, 16, dtype=torch.float64))
        torch.rand(5)  # what is drawn in between does not matter
        sum((m * m).mean() for m in maps).backward()
        gradients.append({n: p.grad for n, p in net.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient)


# -- memory ----------------------------------------------------------------------------------------


def test_kept_storages_are_counted_once_and_without_parameters() -> None:
    layer = nn.Linear(64, 64, bias=False)
    x = torch.randn(128, 64)
    with count_saved(layer) as kept:
        y = layer(x).exp()  # keep x and the result of exp
        z = y.sin()  # keeps the same result
    assert kept.live == kept.peak == 2 * 128 * 64 * 4
    del y, z
    assert kept.live == 0


@pytest.mark.parametrize('name', ['PP-NAS, depth 110', 'DARTS, 8 cells, 16 channels', 'mobile'])
def test_large_super_nets_keep_less_than_half(name: str) -> None:
    x = images(2, 3, 16, 16)
    plain, again = (
        activations.kept_activations(activations.build(name, with_cp)[0], x)
        for with_cp in (False, True)
    )
    assert 0 < again <= plain / 2


def test_the_benchmark_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, 'SUPER_NETS', {'small': (SPACES['nasbench201'], 16)})
    peaks = {False: 40.0, True: 10.0}
    monkeypatch.setattr(
        activations, 'peak_memory', lambda run, name, with_cp, *_, **__: peaks[with_cp]
    )
    record = activations.measure([], 2)
    plain, again = record.results
    assert again['kept'] < plain['kept'] / 2
    assert (plain['memory'], again['memory']) == (40, 10)
    rows = [row.split() for row in record.report().splitlines() if '| small' in row]
    assert [row[3] for row in rows] == ['plain', 'with_cp'] and [row[-2] for row in rows] == [
        '40',
        '10',
    ]


def test_the_peak_of_a_step_holds_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    table: dict[str, Any] = {'small': (SPACES['nasbench201'], 64)}
    monkeypatch.setattr(activations, 'SUPER_NETS', table)
    net, size = activations.build('small', False)
    kept = activations.kept_activations(net, torch.randn(16, 3, size, size))
    peak = memory._peak(activations.make_step, ('small', False, 16, 'cpu'), 'cpu')
    assert kept / 2 < peak < 4 * kept
    with pytest.raises(ValueError, match='expected one of'):
        activations.build('VGG', False)
