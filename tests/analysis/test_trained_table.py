"""A table of trained architectures: which ones, a stop and a go on, what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tool import ROOT, call

from ppnas_mm.analysis import trained_table
from ppnas_mm.analysis.trained_table import agreement, candidates, report, train_table
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
    best = max(entries, key=lambda name: int(entries[name].hash[:4], 16) % 90)
    assert re.search(rf'\| ---: \|\n\| {best} \|', report(made))
    with pytest.raises(ConfigError, match='its options is'):
        train_table(CONFIG, entries, 2, whole, tmp_path / 'a')
    with pytest.raises(ConfigError, match="another architecture 'constrained-2'"):
        few = {name: entries[name] for name in list(entries)[:2]}
        train_table(CONFIG, few, 2, whole, tmp_path / 'a', {'train_cfg.max_epochs': 2})


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
