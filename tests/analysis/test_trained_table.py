"""A table of trained architectures: which ones, a stop and a go on, what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import t as student
from tool import ROOT, call

from ppnas_mm.analysis import trained_table
from ppnas_mm.analysis.trained_table import (
    agreement,
    candidates,
    draw_groups,
    groups,
    means,
    report,
    train_table,
)
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.genotype import Genotype

SEARCH = str(ROOT / 'configs/search/ppnas_digits.py')
CONFIG = 'configs/classification/pp-resnet20_digits.py'


def test_random_ones_and_named_ones() -> None:
    found = candidates(SEARCH, 2, 3, ['pp_resnet_cifar10'], seed=4)
    random = [*(f'constrained-{i}' for i in range(2)), *(f'free-{i}' for i in range(3))]
    assert list(found) == [*random, 'pp_resnet_cifar10']
    assert len({genotype.hash for genotype in found.values()}) == 6
    for name in ('constrained-0', 'constrained-1'):
        for cell in found[name].cells:
            ops = [edges[0].op for edges in cell.nodes]
            assert sorted(ops) == ['conv_3x3'] * 3 + ['identity']
            read = {source for edges in cell.nodes for source in edges[0].sources}
            assert read >= set(range(cell.inputs))
    again = candidates(SEARCH, 2, 3, [], seed=4)
    assert all(again[name].hash == found[name].hash for name in again)
    with pytest.raises(ConfigError, match="another name than 'pp_resnet_cifar10'"):
        candidates(SEARCH, 0, 0, ['pp_resnet_cifar10'] * 2)
    with pytest.raises(ConfigError, match="'darts', the space is 'ppconv'"):
        candidates(SEARCH, 0, 0, ['darts_v2'])


class MadeRunner:
    """Trains in no time: an accuracy for each architecture and seed."""

    def __init__(self, config: str, folder: Path, seed: int, options: dict[str, Any]) -> None:
        self.genotype = Genotype.load(options['model.backbone.arch'])
        self.seed, self.val_loop, self.model = seed, self, self

    def train(self) -> None:
        trained.append((self.genotype.hash, self.seed))
        if len(trained) == stop_at:
            raise KeyboardInterrupt

    def run(self) -> dict[str, float]:
        return {'accuracy/top1': float(int(self.genotype.hash[:4], 16) % 90 + self.seed)}

    def parameters(self) -> list[torch.Tensor]:
        return [torch.zeros(3), torch.zeros(1, 3)]


trained: list[tuple[str, int]] = []
stop_at = 0


def test_a_stopped_table_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained_table, 'build', MadeRunner)
    entries = candidates(SEARCH, 3, 0, [])
    whole, parts = tmp_path / 'whole.json', tmp_path / 'parts.json'
    trained.clear()
    made = train_table(CONFIG, entries, 2, whole, tmp_path / 'a', {'train_cfg.max_epochs': 2})
    order = [(entries[n].hash, seed) for seed in (0, 1) for n in entries]
    assert trained == order
    monkeypatch.setitem(globals(), 'stop_at', 5)
    trained.clear()
    with pytest.raises(KeyboardInterrupt):
        train_table(CONFIG, entries, 2, parts, tmp_path / 'b', {'train_cfg.max_epochs': 2})
    monkeypatch.setitem(globals(), 'stop_at', 0)
    trained.clear()
    train_table(CONFIG, entries, 2, parts, tmp_path / 'b', {'train_cfg.max_epochs': 2})
    assert trained == order[4:] and parts.read_bytes() == whole.read_bytes()
    rows = json.loads(whole.read_text())['rows']
    for name, genotype in entries.items():
        first = float(int(genotype.hash[:4], 16) % 90)
        assert rows[name]['accuracies'] == [first, first + 1] and rows[name]['parameters'] == 6
    assert agreement(made) == 1.0
    firsts = [int(genotype.hash[:4], 16) % 90 for genotype in entries.values()]
    assert json.loads(whole.read_text())['groups'] == {'constrained': [v + 0.5 for v in firsts]}
    best = max(entries, key=lambda name: int(entries[name].hash[:4], 16) % 90)
    assert re.search(rf'\| ---: \|\n\| {best} \|', report(made))
    with pytest.raises(ConfigError, match='its options is'):
        train_table(CONFIG, entries, 2, whole, tmp_path / 'a')
    with pytest.raises(ConfigError, match="another architecture 'constrained-2'"):
        other = {'constrained-2': entries['constrained-1']}
        train_table(CONFIG, other, 2, whole, tmp_path / 'a', {'train_cfg.max_epochs': 2})


def test_a_table_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has already stays, also if the command does not name it again."""
    monkeypatch.setattr(trained_table, 'build', MadeRunner)
    entries, out = candidates(SEARCH, 3, 0, []), tmp_path / 'table.json'
    first = {'constrained-0': entries['constrained-0']}
    train_table(CONFIG, first, 1, out, tmp_path / 'a')
    rest = {name: genotype for name, genotype in entries.items() if name not in first}
    trained.clear()
    made = train_table(CONFIG, rest, 2, out, tmp_path / 'a')
    assert list(made['rows']) == list(entries)
    hashes = [entries[name].hash for name in entries]
    assert trained == [(h, 0) for h in hashes[1:]] + [(h, 1) for h in hashes]
    assert all(len(row['accuracies']) == 2 for row in made['rows'].values())


def test_groups_are_compared_with_constrained_random_ones() -> None:
    """Welch's test and ranks by their plain formulas."""
    values = {'constrained': [60.0, 62.0, 61.0], 'found': [63.0, 65.5], 'res2net': [59.0]}
    rows = {
        f'{group}-{i}' if group != 'res2net' else group: dict(accuracies=[v, v], parameters=1)
        for group, members in values.items()
        for i, v in enumerate(members)
    }
    lines = report({'rows': rows}).splitlines()
    gain = 64.25 - 61.0
    spread = [sum((v - sum(m) / len(m)) ** 2 for v in m) / (len(m) - 1) / len(m)
              for m in (values['found'], values['constrained'])]  # fmt: skip
    freedom = sum(spread) ** 2 / (spread[0] ** 2 / 1 + spread[1] ** 2 / 2)
    p = 2 * student.sf(gain / sum(spread) ** 0.5, freedom)
    assert lines[2] == f'| found | 2 | 64.25 ± 1.25 | 65.50 | 1.5 of 6 | +3.25 | {p:.3f} |'
    assert lines[3].startswith('| constrained | 3 | 61.00 ± 0.82 | 62.00 | 4.0 of 6 | - | - |')
    assert lines[4] == '' and lines[7].startswith('| found-1 | 65.50 ')


def test_the_tool_trains_on_digits(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / 'table.json'
    words = [
        '--search',
        SEARCH,
        '--constrained',
        '1',
        '--named',
        'pp_resnet_cifar10',
        '--seeds',
        '1',
    ]
    options = ['train_cfg.max_epochs=1', 'train_dataloader.batch_size=256']
    assert call('rank_study.py', 'table', str(ROOT / CONFIG), *words, '--out', str(out),
                '--work-dir', str(tmp_path / 'w'), '--cfg-options', *options) == 0  # fmt: skip
    rows = json.loads(out.read_text())['rows']
    assert list(rows) == ['constrained-0', 'pp_resnet_cifar10']
    assert all(0 < row['accuracies'][0] < 100 for row in rows.values())
    assert 'architecture | mean' in capsys.readouterr().out
    assert out.with_suffix('.svg').is_file()


def test_only_seeds_that_all_have_are_compared() -> None:
    """The second seed is better for all; who has it is not."""
    rows = {name: dict(accuracies=[v], parameters=1) for name, v in (('a-0', 3.0), ('a-1', 4.0))}
    rows['b'] = dict(accuracies=[3.5, 9.5], parameters=1)
    assert means(rows) == {'a-0': 3.0, 'a-1': 4.0, 'b': 3.5}
    assert report({'rows': rows}).splitlines()[-3:-1] == ['| a-0 | 3.00 | 3.00 | 1 |', '']
    rows = {name: dict(row, accuracies=[1.0, *row['accuracies']]) for name, row in rows.items()}
    assert groups(rows | {'c': dict(accuracies=[])}) == {'a': [2.0, 2.5], 'b': [2.25]}


def test_named_architectures_are_drawn_as_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {'found-0': 3.0, 'found-1': 4.0, 'res2net_cifar': 5.0, 'pp_resnet_cifar10': 6.0}
    rows = {name: dict(accuracies=[v], parameters=1) for name, v in names.items()}
    drawn = []
    monkeypatch.setattr(trained_table, 'draw_tau_boxes', lambda *given: drawn.append(given))
    draw_groups({'rows': {**rows, 'free-0': dict(accuracies=[])}, 'config': 'x.py'}, Path('a.svg'))
    assert drawn[0][:2] == ({'found': [3.0, 4.0], 'named': [5.0, 6.0]}, Path('a.svg'))
