"""Latency of backbones side by side: what is reported, and the tool."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tool import call
from zoo import BACKBONES

from ppnas_mm import backbone_latency
from ppnas_mm.config import ConfigError

SMALL = {n: {'type': n, **BACKBONES[n]} for n in ('PPResNetCIFAR', 'NASBench201Net')}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(backbone_latency, 'BACKBONES', SMALL)
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


def test_ratios_are_those_of_the_medians_in_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {
        ('PPResNetCIFAR', 'eager'): [5.0, 4.0, 90.0],
        ('PPResNetCIFAR', 'deployed'): [2.0, 2.0, 1.0],
        ('NASBench201Net', 'eager'): [10.0, 9.0, 11.0],
        ('NASBench201Net', 'deployed'): [3.0, 1.0, 8.0],
    }
    seen = []

    def samples(runs: Any, device: torch.device, rounds: int, warmup: int) -> Any:
        seen.append(({key: run()[0].shape[0] for key, run in runs.items()}, rounds))
        return taken

    monkeypatch.setattr(backbone_latency, 'samples', samples)
    forms = ('eager', 'deployed')
    record = backbone_latency.measure(list(SMALL), forms, (2, 3), size=16, rounds=7)
    assert seen == [(dict.fromkeys(taken, batch), 7) for batch in (2, 3)]
    found = {(r['network'], r['form'], r['batch']): r for r in record['results']}
    assert len(found) == 8
    values = [found['NASBench201Net', form, 3] for form in forms]
    assert [(v['median'], v['least'], v['ratio']) for v in values] == [(10, 9, 2), (3, 1, 1.5)]
    assert '| NASBench201Net | deployed |     3 |        3.0 |       1.0 |' in (
        backbone_latency.latency_report(record)
    )


def test_memory_holds_weights_and_maps() -> None:
    """The maps of the stem alone, at the size of the images, are 8 channels wide."""
    size, batch = 128, 16
    megabytes = batch * 8 * size * size * 4 / 2**20
    for form in ('eager', 'deployed'):
        found = backbone_latency.peak_memory('NASBench201Net', form, batch, size, 'cpu', 'fp32')
        assert megabytes / 2 < found < 40 * megabytes


def test_the_tool(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = ['--size', 16, '--rounds', 1, '--batches', 1, 2, '--no-memory', '--threads', 1]
    assert call('benchmark.py', 'latency', *options, '--out', tmp_path / 'x.json') == 0
    printed = capsys.readouterr().out
    record = json.loads((tmp_path / 'x.json').read_text())
    assert (record['threads'], record['size'], record['rounds']) == (1, 16, 1)
    assert len(record['results']) == 2 * 2 * len(SMALL)
    assert (tmp_path / 'x.md').read_text().strip() in printed
    assert b'<svg' in (tmp_path / 'x.svg').read_bytes()
    assert call('benchmark.py', 'latency', '--networks', 'VGG', '--size', 16) == 2
    assert 'expected one of' in capsys.readouterr().err
