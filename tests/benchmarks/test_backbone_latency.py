"""Latency of backbones side by side: what is reported, and the tool."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tool import call
from torch import nn
from zoo import BACKBONES, images

from ppnas_mm.benchmarks import backbone_latency, record
from ppnas_mm.benchmarks.memory import _peak
from ppnas_mm.benchmarks.networks import NETWORKS, Network
from ppnas_mm.config.keys import ConfigError

SMALL = {n: Network({'type': n, **BACKBONES[n]}) for n in BACKBONES}
TWO = ('PPResNetCIFAR', 'NASBench201Net')


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, network in SMALL.items():
        monkeypatch.setitem(NETWORKS, name, network)
    monkeypatch.setattr(backbone_latency, 'DEFAULT', TWO)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_forms() -> None:
    assert not backbone_latency.build('PPResNetCIFAR', 'eager').is_deployed
    net = backbone_latency.build('PPResNetCIFAR', 'deployed', dtype='bf16')
    assert net.is_deployed and not net.training
    assert {p.dtype for p in net.parameters()} == {torch.bfloat16}
    compiled: Any = backbone_latency.build('PPResNetCIFAR', 'compiled')
    assert compiled._orig_mod.is_deployed
    with pytest.raises(ConfigError, match='VGG'):
        backbone_latency.build('VGG', 'eager')


@pytest.mark.parametrize('name', BACKBONES)
def test_the_fused_form_computes_the_same_with_fewer_norms(name: str) -> None:
    found = []
    for form in ('eager', 'fused'):
        torch.manual_seed(3)
        found.append(backbone_latency.build(name, form))
    eager, fused = found
    x = images(2, 3, 32, 32)
    with torch.no_grad():
        for a, b in zip(eager(x), fused(x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) for net in found]
    assert norms[1] < norms[0] and not fused.is_deployed
    if name.startswith('PPResNet'):
        assert not norms[1]


def test_ratios_are_those_of_the_medians_in_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {
        ('PPResNetCIFAR', 'eager'): [5.0, 4.0, 90.0],
        ('PPResNetCIFAR', 'deployed'): [2.0, 2.0, 1.0],
        ('NASBench201Net', 'eager'): [10.0, 9.0, 11.0],
        ('NASBench201Net', 'deployed'): [3.0, 1.0, 8.0],
    }
    seen = []

    def samples(runs: Any, device: torch.device, rounds: int, warmup: int) -> Any:
        maps = [run()[0] for run in runs.values()]
        assert list(runs) == list(taken)
        seen.append(({m.shape[0] for m in maps}, {m.dtype for m in maps}, rounds))
        return taken

    monkeypatch.setattr(record, 'samples', samples)
    given = dict(batches=(2, 3), sizes=(16,), dtypes=('fp32', 'bf16'), rounds=7, memory=False)
    result = backbone_latency.measure(TWO, ('eager', 'deployed'), **given)  # type: ignore[arg-type]
    types = (torch.float32, torch.bfloat16)
    assert seen == [({batch}, {dtype}, 7) for dtype in types for batch in (2, 3)]
    found = {(r['network'], r['form'], r['batch'], r['dtype']): r for r in result.results}
    assert len(found) == 16
    values = [found['NASBench201Net', form, 3, 'fp32'] for form in ('eager', 'deployed')]
    assert [(v['median'], v['least'], v['ratio']) for v in values] == [(10, 9, 2), (3, 1, 1.5)]
    lines = [''.join(line.split()) for line in result.report().splitlines()]
    assert '|NASBench201Net|deployed|bf16|3|3.0|1.0|1.50|1.00|' in lines
    assert '16x16' in lines[-1] and 'fp32' not in lines[-1] and '7interleavedrounds' in lines[-1]


def test_networks_have_their_own_images_and_the_mean_of_table_vii(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sides = []

    def samples(runs: Any, device: torch.device, rounds: int, warmup: int) -> Any:
        sides.append({name[0]: run.args[0].shape[-1] for name, run in runs.items()})
        return {name: [1.0, 2.0, 9.0] for name in runs}

    monkeypatch.setattr(record, 'samples', samples)
    both = {'Small': replace(SMALL[TWO[0]], classes=10), TWO[1]: SMALL[TWO[1]]}
    monkeypatch.setitem(NETWORKS, 'Small', both['Small'])
    given: dict[str, Any] = dict(forms=('eager',), batches=(4,), memory=False, rounds=5)
    rows = backbone_latency.measure(list(both), mean=True, **given).results
    expected = {'Small': 32, TWO[1]: 224}
    assert {name: side for found in sides for name, side in found.items()} == expected
    assert {row['network']: row['size'] for row in rows} == expected
    assert all((row['mean'], row['image']) == (4.0, 1.0) and 'median' not in row for row in rows)
    (middle, *_) = backbone_latency.measure(['Small'], **given).results
    assert (middle['median'], middle['image'], middle['size']) == (2.0, 0.5, 32)


def test_memory_holds_weights_and_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The maps of the stem alone, at the size of the images, are 8 channels wide."""
    monkeypatch.setattr(  # in this process, which knows the networks of the tests
        backbone_latency, 'peak_memory', lambda make, *given, device: _peak(make, given, device)
    )
    size, batch = 128, 16
    megabytes = batch * 8 * size * size * 4 / 2**20
    for form in ('eager', 'deployed'):
        found = backbone_latency.forward_memory('NASBench201Net', form, batch, size, 'cpu', 'fp32')
        assert megabytes / 2 < found < 40 * megabytes


def test_the_tool(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = ['--size', 16, 24, '--rounds', 1, '--batches', 1, 2, '--no-memory', '--threads', 1]
    options += ['--forms', 'eager', 'deployed', '--out', tmp_path / 'x']
    assert call('benchmark.py', 'latency', *options) == 0
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / 'x.json').read_text())
    assert list(found) == ['what', 'conditions', 'results', 'command']
    assert (found['conditions']['threads'], found['conditions']['rounds']) == (1, 1)
    assert 'python tools/benchmark.py latency --size 16 24 --rounds 1' in found['command']
    assert len(found['results']) == 2 * 2 * 2 * len(TWO)
    assert (tmp_path / 'x.md').read_text().strip() in printed
    assert b'<svg' in (tmp_path / 'x.svg').read_bytes()
    assert call('benchmark.py', 'latency', '--networks', 'VGG', '--size', 16) == 2
    assert 'expected one of' in capsys.readouterr().err
