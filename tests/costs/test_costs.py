"""Tables of costs: their sums are what the derived networks have, and files that do not fit."""

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from tool import DIGITS, call
from torch import nn
from zoo import SPACES, build_super_net, count_multiplications, images

from ppnas_mm.costs.counting import flops_table, params_table, run_on_meta
from ppnas_mm.costs.latency import Check, check_latency, latency_report, latency_table
from ppnas_mm.costs.table import CostError, CostTable
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import SuperNet
from ppnas_mm.utils import timing
from ppnas_mm.utils.timing import timings

SHAPE = (3, 18, 18)  # odd sides at the lower resolutions


def derived(net: Any, seed: int) -> tuple[Any, nn.Module]:
    """A random path and its network, built on its own."""
    path = SuperNet.random_path(net, np.random.default_rng(seed))
    return path, MODELS.build(net.backbone_config(net.to_genotype(path))).eval()


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_sums_are_those_of_the_derived_networks(super_net: Any) -> None:
    flops, params = flops_table(super_net, SHAPE), params_table(super_net)
    assert flops.measured['input_shape'] == list(SHAPE)
    seen = set()
    for seed in range(12):
        path, network = derived(super_net, seed)
        assert flops(path) == count_multiplications(network, images(1, *SHAPE))
        assert params(path) == count(network)
        seen.add((flops(path), params(path)))
    assert len(seen) > 6


def test_counting_leaves_the_super_net_as_it_was(super_net: Any) -> None:
    super_net.train()
    next(super_net.modules()).stem.eval()
    modes = [m.training for m in super_net.modules()]
    mixture, before = super_net.mixture, {k: v.clone() for k, v in super_net.state_dict().items()}
    flops_table(super_net, SHAPE)
    params_table(super_net)
    assert [m.training for m in super_net.modules()] == modes
    assert super_net.mixture is mixture
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in super_net.modules())
    assert all(torch.equal(v, before[k]) for k, v in super_net.state_dict().items())


def test_multiply_adds_written_out() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False),
        nn.BatchNorm2d(6),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    )
    assert run_on_meta(net, (2, 4, 8, 8)) == 2 * (4 * 4 * 6 * (4 // 2) * 9 + 6 * 5)


def test_entries_are_the_costs_of_the_operations() -> None:
    net = build_super_net('darts', num_cells=3)  # cells: normal, reduction, reduction
    flops, params = flops_table(net, (3, 16, 16)), params_table(net)
    row = dict(zip(net.choices['normal/node3/op2'].candidates, range(99), strict=False))
    c, side = 4, 16  # one cell of 4 channels
    one = c * (9 + c)  # depthwise 3x3 and pointwise
    assert flops.entries['normal/node3/op2'][row['sep_conv_3x3']] == 2 * one * side**2
    assert params.entries['normal/node3/op2'][row['sep_conv_3x3']] == 2 * one
    # two cells of 8 and 16 channels, at 8 and 4; from the cell's input skip halves the resolution
    halves = [(8, 8), (16, 4)]
    skip = [flops.entries[f'reduction/node3/op{i}'][row['skip_connect']] for i in (0, 2)]
    assert skip == [sum(w * w * s * s for w, s in halves), 0]
    skip = [params.entries[f'reduction/node3/op{i}'][row['skip_connect']] for i in (0, 2)]
    assert skip == [sum(w * w for w, _ in halves), 0]
    for op in ('none', 'max_pool_3x3'):
        assert flops.entries['normal/node2/op0'][row[op]] == 0


def test_a_model_on_top_counts_in_the_fixed_part() -> None:
    model = classifier()
    bare, whole = (flops_table(m, SHAPE) for m in (model.backbone, model))
    assert whole.entries == bare.entries
    assert whole.fixed - bare.fixed == 24 * 7
    bare, whole = params_table(model.backbone), params_table(model)
    assert whole.entries == bare.entries
    assert whole.fixed - bare.fixed == 24 * 7 + 7
    with pytest.raises(TypeError, match='Linear: expected a super-net'):
        params_table(nn.Linear(1, 1))


def classifier() -> Any:
    """A classifier of 7 classes with the chain's super-net."""
    head = dict(type='LinearClsHead', num_classes=7, in_channels=24)
    config = dict(type='ImageClassifier', backbone=SPACES['chain'], head=head)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(dict(config, neck=dict(type='GlobalAveragePooling')))


def test_what_was_pruned_has_no_cost(super_net: Any) -> None:
    whole = [flops_table(super_net, SHAPE), params_table(super_net)]
    path, network = derived(super_net, 0)
    name = next(n for n in path if not super_net.choices[n].gates)
    gone = next(i for i in super_net.keepable(name) if i not in path[name])
    super_net.prune(name, gone)
    for before, after in zip(
        whole, [flops_table(super_net, SHAPE), params_table(super_net)], strict=True
    ):
        assert math.isnan(after.entries[name][gone])
        assert after(path) == before(path)
        before.entries[name][gone] = after.entries[name][gone] = 0
        assert after.entries == before.entries and after.fixed == before.fixed
    assert count(network) == whole[1](path)


def test_an_expanded_super_net_costs_what_it_did(super_net: Any) -> None:
    before = [flops_table(super_net, SHAPE), params_table(super_net)]
    size = count(super_net)
    super_net.expand(100)
    assert count(super_net) > size
    assert [flops_table(super_net, SHAPE), params_table(super_net)] == before


# -- files -----------------------------------------------------------------------------------------


def example() -> CostTable:
    net = build_super_net('nasbench201')
    net.prune('cell/node1/op0', 1)
    return params_table(net)


def test_files_hold_the_table(tmp_path: Path) -> None:
    net, file = build_super_net('nasbench201'), tmp_path / 'costs.json'
    table = params_table(net)
    table.save(file)
    assert CostTable.load(file, net) == table
    example().save(file)
    again = CostTable.load(file, net)  # what is pruned does not make another super-net
    assert [math.isnan(v) for v in again.entries['cell/node1/op0']] == [i == 1 for i in range(5)]
    path = dict(net.random_path(np.random.default_rng(0)))
    with pytest.raises(CostError, match='the path has candidates that the table of params lacks'):
        again({**path, 'cell/node1/op0': (1,)})
    for odd in ({'cell/node9/op0': (0,)}, {'cell/node1/op0': (5,)}):
        with pytest.raises(CostError, match=r'the table of params has no cell/node\d/op0'):
            again({**path, **odd})


def test_tables_of_other_super_nets_are_refused(tmp_path: Path) -> None:
    file = tmp_path / 'costs.json'
    example().save(file)
    for other, reason in [
        (build_super_net('chain'), "space is 'nasbench201', the super-net has 'chain'"),
        (build_super_net('nasbench201', init_channels=8), 'config.init_channels is 4'),
        (build_super_net('nasbench201', ops=('none', 'skip_connect')), 'candidates.cell/node1/op0'),
    ]:
        with pytest.raises(CostError, match=f'{file}: the table of params is .*{reason}'):
            CostTable.load(file, other)
    CostTable.load(file, build_super_net('nasbench201', frozen_stages=0))


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (lambda d: d.pop('fixed'), "missing key 'fixed'"),
        (lambda d: d.update(more=1), "unknown key 'more'; known: schema"),
        (lambda d: d.update(schema=2), 'schema: expected 1, .*got 2'),
        (lambda d: d.update(unit='watt'), "unit: expected one of .* got 'watt'"),
        (lambda d: d.update(fixed=float('nan')), 'fixed: expected a finite number, got nan'),
        (lambda d: d['super_net'].pop('space'), "super_net: missing key 'space'"),
        (lambda d: d['entries'].pop('cell/node1/op0'), 'entries: expected the choices'),
        (lambda d: d['entries']['cell/node2/op1'].pop(), 'entries.cell/node2/op1: expected one'),
        (
            lambda d: d['entries'].update({'cell/node2/op1': None}),
            'entries.cell/node2/op1: expected one number for each',
        ),
        (
            lambda d: d['super_net']['candidates'].update({'cell/node2/op1': 5}),
            'entries.cell/node2/op1: expected one number for each of 5',
        ),
        (
            lambda d: d['entries']['cell/node2/op1'].__setitem__(2, -1),
            r'entries.cell/node2/op1\[2\]: expected a finite number from 0, got -1',
        ),
        (
            lambda d: d['entries']['cell/node2/op1'].__setitem__(2, 'x'),
            r"entries.cell/node2/op1\[2\]: expected a finite number from 0, got 'x'",
        ),
    ],
)
def test_damaged_files_are_named(change: Any, reason: str, tmp_path: Path) -> None:
    file = tmp_path / 'costs.json'
    data = json.loads(json.dumps(example().to_dict()))
    assert CostTable.from_dict(data).to_dict() == data
    change(data)
    file.write_text(json.dumps(data))
    with pytest.raises(CostError, match=f'{file}: .*{reason}'):
        CostTable.load(file)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    file = tmp_path / 'costs.json'
    with pytest.raises(CostError, match='No such file'):
        CostTable.load(file)
    for text, reason in [('{', 'not valid JSON'), ('[]', r'file: expected an object, got \[\]')]:
        file.write_text(text)
        with pytest.raises(CostError, match=reason):
            CostTable.load(file)


# -- latency ---------------------------------------------------------------------------------------


class Clock:
    """A clock that only moves when a multiply-add is computed: a microsecond each."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The package's timer, with convolutions and linear layers that take a known time."""
    clock = Clock()
    monkeypatch.setattr(timing, 'time', clock)
    monkeypatch.setattr(timing, 'SHORTEST', 0)  # many calls take no time on this clock
    conv = nn.functional.conv2d

    def slow(x: torch.Tensor, weight: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        y = conv(x, weight, *args, **kwargs)
        if y.device.type != 'meta':
            clock.now += 1e-6 * y.numel() * weight[0].numel()
        return y

    monkeypatch.setattr(nn.functional, 'conv2d', slow)
    return clock


def test_latency_of_what_takes_a_known_time(super_net: Any, clock: Clock) -> None:
    flops = flops_table(super_net, SHAPE)
    table = latency_table(super_net, SHAPE, batch_size=2, repeats=2, warmup=1, references=2)
    # milliseconds: two images, a microsecond each multiply-add
    assert table.fixed == pytest.approx(2e-3 * flops.fixed)
    for name, row in flops.entries.items():
        assert table.entries[name] == pytest.approx([2e-3 * v for v in row])
    checks = check_latency(table, super_net, paths=2, repeats=1, warmup=1)
    paths = [super_net.random_path(rng) for rng in [np.random.default_rng(1)] for _ in range(2)]
    assert [c.measured for c in checks] == pytest.approx([2e-3 * flops(p) for p in paths])
    assert [c.error for c in checks] == pytest.approx([0, 0])


def test_latency_of_a_model_on_top(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier()
    forward = model.head.forward

    def slow(*args: Any) -> Any:
        clock.now += 0.25 * (args[0][0].device.type != 'meta')
        return forward(*args)

    monkeypatch.setattr(model.head, 'forward', slow)
    net = model.backbone
    bare, whole = (latency_table(m, SHAPE, 1, 1, 1, 1) for m in (net, model))
    assert whole.fixed - bare.fixed == pytest.approx(250)
    assert model.backbone is net
    with pytest.raises(CostError, match=r'candidates\.stage1/node1/op'):
        check_latency(whole, build_super_net('chain', ops=('mbconv_3x3_e4_se',)))


def test_medians_of_interleaved_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = Clock(), []
    monkeypatch.setattr(timing, 'time', clock)

    def run(key: str, times: list[float]) -> Any:
        left = iter(times)

        def call() -> None:
            calls.append(key)
            clock.now += next(left)

        return call

    runs = {'a': run('a', [9, 1, 7, 3]), 'b': run('b', [9, 2, 2, 2])}
    assert timings(runs, torch.device('cpu'), repeats=3, warmup=1) == {'a': 3000, 'b': 2000}
    assert calls == ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b']
    # short calls are repeated within a timing
    calls.clear()
    fast = {'a': run('a', [timing.SHORTEST / 4] * 9)}
    assert timings(fast, torch.device('cpu'), 2, 1) == {'a': pytest.approx(250 * timing.SHORTEST)}
    assert len(calls) == 9
    with pytest.raises(ValueError, match='repeats=0'):
        timings({}, torch.device('cpu'), 0, 1)


def test_the_real_clock_sees_what_is_slower() -> None:
    taken = timings(
        {'sleep': lambda: time.sleep(0.02), 'nothing': lambda: None}, torch.device('cpu'), 3, 1
    )
    assert 20 <= taken['sleep'] < 200
    assert taken['nothing'] < 1


def test_tables_of_other_devices_are_refused() -> None:
    net = build_super_net('nasbench201')
    table = params_table(net)
    with pytest.raises(CostError, match='the table is for params on None; expected latency'):
        check_latency(table, net)
    measured = dict(device='abacus', input_shape=[3, 8, 8], batch_size=1)
    other = CostTable('latency', 0, table.entries, table.super_net, measured)
    with pytest.raises(CostError, match='latency on abacus'):
        check_latency(other, net)


def test_the_report_tells_table_check_and_conditions() -> None:
    net = build_super_net('nasbench201')
    measured = dict(input_shape=[3, 8, 8], batch_size=4, device='abacus', threads=3, repeats=5)
    measured['versions'] = {'torch': '9.9'}
    entries = {name: [1.25] * 5 for name in params_table(net).entries}
    table = CostTable('latency', 1.5, entries, params_table(net).super_net, measured)
    text = latency_report(table, [Check(11, 10), Check(8, 10)])
    rows = [line.split() for line in text.splitlines() if line.startswith('| cell/')]
    assert [row[1] for row in rows] == list(entries)
    assert all(row[3::2] == ['1.250'] * 5 for row in rows)
    for part in ('not searched: 1.500 ms', '+10.0', '-20.0', 'largest relative error: 20.0 %'):
        assert part in text
    assert 'abacus, 3 threads, batch 4 of 3 x 8 x 8, median of 5, torch 9.9' in text


def test_the_tool_writes_a_table_of_the_config(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / 'latency.json'
    options = ['--batch-size', 2, '--rounds', 1, '--check', 1, '--out', file]
    assert call('benchmark.py', 'latency-table', DIGITS, '--size', 8, *options) == 0
    assert 'largest relative error' in capsys.readouterr().out
    table = CostTable.load(file)
    assert table.super_net['space'] == 'ppconv' and table.unit == 'latency'
    assert (table.measured['batch_size'], table.measured['input_shape']) == (2, [3, 8, 8])
    assert all(value > 0 for row in table.entries.values() for value in row)
    assert call('benchmark.py', 'latency-table', DIGITS) == 2
    assert 'required: --size' in capsys.readouterr().err
