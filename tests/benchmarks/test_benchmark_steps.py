"""Steps of trainings and searches, parts of an epoch, counts: what is measured is what it says."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.hooks import LoggerHook
from tool import DIGITS, TINY, call
from torch.utils._python_dispatch import TorchDispatchMode
from zoo import BACKBONES, SPACES, count_multiplications

from ppnas_mm.algorithms import PPNAS
from ppnas_mm.benchmarks import counts, epoch, memory, record, search_step, train_step
from ppnas_mm.benchmarks.networks import NETWORKS, Network
from ppnas_mm.benchmarks.search_step import ALGORITHMS
from ppnas_mm.benchmarks.step import Setting
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config
from ppnas_mm.datasets import Digits

SETTING = Setting(batch=2, size=16)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same algorithms on super-nets as small as they can be."""
    few = ('skip_connect', 'max_pool_3x3', 'sep_conv_3x3', 'none')
    small = {space['type']: space for space in SPACES.values()}
    small['ppnas_mm.DARTSSuperNet'] = {**SPACES['darts'], 'ops': few}
    for name, what in ALGORITHMS.items():
        backbone = {**what.backbone, **small[what.backbone['type']]}
        search = dict(what.search)
        if 'evaluation' in search:
            search.update(evaluation={'num_cells': 3}, pools=(2, 2))
        monkeypatch.setitem(ALGORITHMS, name, replace(what, backbone=backbone, search=search))
    resnet = {'type': 'PPResNetCIFAR', **BACKBONES['PPResNetCIFAR']}
    ppconv = {**SPACES['ppconv'], 'type': 'PPConvSuperNet'}
    monkeypatch.setitem(NETWORKS, 'plain', Network({**resnet, 'block': 'resnet'}, 10))
    monkeypatch.setitem(NETWORKS, 'super', Network(ppconv, 10, search='ppnas_mm.PPNAS'))


class Convolutions(TorchDispatchMode):
    """Notes types and layouts of the weights of convolutions, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.types: list[torch.dtype] = []
        self.contiguous: list[bool] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = function is torch.ops.aten.convolution.default
        self.calls += found
        if found and args[1].shape[-1] > 1 and args[1].shape[1] > 1:  # else both layouts are one
            self.types.append(args[1].dtype)
            self.contiguous.append(args[1].is_contiguous())
        return function(*args, **(kwargs or {}))


@pytest.mark.usefixtures('tiny')
@pytest.mark.parametrize('algorithm', ALGORITHMS)
def test_every_formulation_trains_the_same(algorithm: str) -> None:
    """The losses of two steps, of which the second depends on the gradients of the first."""
    logs: dict[str, list] = {}
    names = search_step.formulations(algorithm)
    assert len(names) == 4 and (names[0], names[-1]) == ('plain', 'ours')
    for name in names if algorithm in ('gdas', 'ppnas') else ('plain', 'ours'):
        step = search_step.build(algorithm, name, SETTING)
        logs[name] = [{k: v for k, v in step().items() if 'loss' in k} for _ in range(2)]
    for name, found in logs.items():
        for mine, plain in zip(found, logs['plain'], strict=True):
            assert mine.keys() == plain.keys()
            for key, value in plain.items():
                assert float(mine[key]) == pytest.approx(float(value), 1e-3, 1e-5), (name, key)


@pytest.mark.usefixtures('tiny')
@pytest.mark.parametrize('algorithm', ['gdas', 'eoinas', 'spos', 'senas'])
def test_plain_computes_what_is_not_drawn(algorithm: str) -> None:
    seen = {}
    for name in ('plain', 'ours'):
        step = search_step.build(algorithm, name, SETTING)
        with Convolutions() as seen[name]:
            step()
    assert seen['plain'].calls > 1.5 * seen['ours'].calls
    assert all(seen['plain'].contiguous) and not any(seen['ours'].contiguous)


@pytest.mark.usefixtures('tiny')
def test_search_steps_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = ([8.0, 9, 6], [4.0] * 3, [3.0] * 3, [2.0] * 3)
    times = dict(zip(search_step.formulations('ppnas'), values, strict=True))

    def samples(runs: Any, device: Any, rounds: int, warmup: int) -> Any:
        assert list(runs) == [(name,) for name in times] and rounds == 3
        return {(name,): values for name, values in times.items()}

    monkeypatch.setattr(record, 'samples', samples)
    options = [
        '--algorithm',
        'ppnas',
        '--batch-size',
        2,
        '--size',
        16,
        '--rounds',
        3,
        '--no-memory',
    ]
    assert call('benchmark.py', 'search-step', *options, '--out', tmp_path / 'x') == 0
    found = json.loads((tmp_path / 'x.json').read_text())['results']
    assert [r['formulation'] for r in found] == list(times)
    assert [(r['median'], r['speed']) for r in found] == [(8, 1), (4, 2), (3, 8 / 3), (2, 4)]
    assert {(r['algorithm'], r['batch']) for r in found} == {('ppnas', 2)}


@pytest.mark.usefixtures('tiny')
def test_unknown_algorithms_and_profiles(capsys: pytest.CaptureFixture) -> None:
    assert call('benchmark.py', 'search-step', '--algorithm', 'ppnas', 'nas') == 2
    assert "algorithm 'nas': expected one of" in capsys.readouterr().err
    given = ['--batch-size', 2, '--size', 16, '--profile']
    assert call('benchmark.py', 'search-step', '--algorithm', 'ppnas', *given) == 0
    printed = capsys.readouterr().out
    assert 'aten::' in printed and 'Self CPU' in printed


# -- training steps --------------------------------------------------------------------------------


@pytest.mark.usefixtures('tiny')
def test_training_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        train_step, 'peak_memory', lambda make, *given, **_: memory._peak(make, given, 'cpu')
    )
    found = train_step.measure(['plain', 'super'], (2, 3), (16,), rounds=1, warmup=1)
    keys = [(r['network'], r['batch'], r['ratio'] == 1) for r in found.results]
    assert keys == [(n, b, n == 'plain') for b in (2, 3) for n in ('plain', 'super')]
    assert all(r['memory'] > 0 and r['median'] >= r['least'] > 0 for r in found.results)
    assert 'layout channels-last' in found.report() and 'times plain' in found.report()
    with pytest.raises(ConfigError, match="network 'VGG'"):
        train_step.measure(['VGG'])


@pytest.mark.usefixtures('tiny')
def test_a_step_has_the_losses_type_and_layout_asked_for() -> None:
    """The super-net's with the losses of its search, and it learns."""
    step = train_step.build('super', SETTING)
    first = step()
    assert {'loss_task', 'loss_zero_one', 'loss_connection'} <= first.keys()
    for _ in range(6):
        last = step()
    assert last['loss_task'] < first['loss_task']
    assert last['loss_zero_one'] != first['loss_zero_one']  # alpha has moved
    for dtype, last_layout in (('fp32', True), ('bf16', False)):
        setting = replace(SETTING, dtype=dtype, channels_last=last_layout)
        step = train_step.build('plain', setting)
        with Convolutions() as seen:
            step()
        assert set(seen.types) == {torch.float32 if dtype == 'fp32' else torch.bfloat16}
        assert set(seen.contiguous) == {not last_layout}


# -- epochs ----------------------------------------------------------------------------------------


def test_parts_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock: an image takes 0.01 s, a step 5 s, the logger 1 s after each."""
    clock = [0.0]

    def slow(cls: type, name: str, seconds: float) -> None:
        real = getattr(cls, name)

        def method(*args: Any, **kwargs: Any) -> Any:
            clock[0] += seconds
            return real(*args, **kwargs)

        monkeypatch.setattr(cls, name, method)

    slow(Digits, '__getitem__', 0.01)
    slow(PPNAS, 'train_step', 5)
    slow(LoggerHook, 'after_train_iter', 1)
    monkeypatch.setattr(epoch, 'time', SimpleNamespace(perf_counter=lambda: clock[0]))
    options = {'train_dataloader.dataset.indices': 64, 'train_dataloader.batch_size': 16}
    options |= {'train_cfg.max_epochs': 4, 'model.model.backbone.base_channels': 8}
    options |= {'model.model.backbone.stem_channels': 8, 'model.model.head.in_channels': 128}
    config = load_config(DIGITS, {**options, 'log_level': 'ERROR'})
    found = epoch.measure(config, 'digits', epochs=2)
    values = {r['part']: (r['median'], r['least'], r['share']) for r in found.results}
    expected = {'data loading': 640, 'step': 20_000, 'everything else': 4_000}
    for part, wanted in expected.items():
        assert values[part] == pytest.approx((wanted, wanted, 100 * wanted / 24_640)), part


def test_the_tool_runs_an_epoch(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = ['benchmark.py', 'epoch', DIGITS, '--out', tmp_path / 'x', '--cfg-options', *TINY]
    assert call(*run) == 0
    found = json.loads((tmp_path / 'x.json').read_text())
    assert [r['part'] for r in found['results']] == list(epoch.PARTS)
    assert sum(r['share'] for r in found['results']) == pytest.approx(100)
    assert all(r['median'] > 0 for r in found['results'])
    assert found['conditions']['epochs'] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ['x.json', 'x.md', 'x.svg']
    assert call(*run[:-1], 'train_cfg.max_epochs=1') == 2
    assert 'has not the 2 epochs' in capsys.readouterr().err


# -- counts ----------------------------------------------------------------------------------------


def test_counts_are_those_of_modules_and_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = {'type': 'ChainNet', **BACKBONES['ChainNet']}
    monkeypatch.setitem(NETWORKS, 'chain', Network(chain, 10, hidden=(5,), paper=1.5))
    found = counts.params(['Res2Net-20', 'chain']).results
    for result in found:
        network = NETWORKS[result['network']]
        backbone = network.build()
        width = backbone(torch.randn(2, 3, 32, 32))[-1].shape[1]
        head = (width + 1) * 5 + (5 + 1) * 10 if network.hidden else (width + 1) * 10
        own = sum(p.numel() for p in backbone.parameters())
        assert result['parameters'] == own + head
        assert result['millions'] == result['parameters'] / 1e6
    assert [r['paper'] for r in found] == [None, 1.5]


def test_multiply_adds_are_those_of_the_convolutions_and_a_little() -> None:
    """The counter also counts norms and pools."""
    network = NETWORKS['Res2Net-20']
    (found,) = counts.params(['Res2Net-20']).results
    multiplications = count_multiplications(network.build().eval(), torch.randn(1, 3, 32, 32))
    assert multiplications <= 1e9 * found['macs'] < 1.2 * multiplications
