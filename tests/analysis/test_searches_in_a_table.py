"""What a table of trained architectures says of finished searches."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from finished import search  # noqa: F401
from tool import DIGITS, TINY, call

from ppnas_mm.analysis import trained_table
from ppnas_mm.analysis.by_epoch import settled_by_epoch
from ppnas_mm.analysis.trained_table import candidates, searches
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.genotype import Genotype


def table_of(folder: Path, entries: dict[str, Genotype]) -> Path:
    """A table whose accuracies rise."""
    rows = {
        name: {'genotype': genotype.to_dict(), 'accuracies': [50.0 + i, 51.0 + i], 'parameters': 1}
        for i, (name, genotype) in enumerate(entries.items())
    }
    path = folder / 'table.json'
    path.write_text(json.dumps({'config': 'x', 'options': {}, 'rows': rows}))
    return path


def record_of(sides: list[list[float]]) -> dict[str, Any]:
    """A record of two nodes with gates, two and one, and an operation."""
    gates = {'a/node4/in': 2, 'a/node5/in': 1}
    choices = {name: {'gates': True, 'candidates': list(range(n))} for name, n in gates.items()}
    choices['a/node4/op'] = {'gates': False, 'candidates': ['x', 'y']}
    epochs = [
        {'architecture': dict(zip(choices, (s[:2], s[2:], [0.1, 0.9]), strict=True))} for s in sides
    ]
    return {
        'choices': choices,
        'epochs': epochs,
        'seed': 3,
        'result': {'derived': {'metrics': {'accuracy/top1': 45.678}}},
    }


def test_connections_are_settled_on_the_side_where_they_end() -> None:
    record = record_of([[0.4, 0.6, 0.6], [0.4, 0.51, 0.2], [0.0, 1.0, 0.9], [0.9, 1.0, 0.1]])
    assert settled_by_epoch(record) == [1, 2, 1, 3]


def test_searches_without_learned_connections_have_none() -> None:
    record = record_of([[0.4, 0.6, 0.6]])
    assert settled_by_epoch({**record, 'epochs': [{'epoch': 1}]}) == []
    operations = {name: choice | {'gates': False} for name, choice in record['choices'].items()}
    assert settled_by_epoch({**record, 'choices': operations}) == []


def test_an_unfinished_search_is_named(tmp_path: Path) -> None:
    table = table_of(tmp_path, candidates(DIGITS, 2, 0, []))
    with pytest.raises(ConfigError, match=r'nothing: expected the work dir of a finished search'):
        searches(table, DIGITS, [tmp_path / 'nothing'], {})


def test_a_line_for_each_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = candidates(DIGITS, 4, 0, [])
    table = table_of(tmp_path, entries)
    hashes = {genotype.hash: i for i, genotype in enumerate(entries.values())}
    order = [3, 2, 1, 0]  # each of the six pairs is turned

    def score(algorithm: Any, genotype: Genotype) -> float:
        return float(order[hashes[genotype.hash]])

    monkeypatch.setattr(
        trained_table, 'load_search', lambda *given: (SimpleNamespace(threshold=0.9), given)
    )
    monkeypatch.setattr(trained_table, 'latest_checkpoint', lambda folder: folder)
    monkeypatch.setattr(trained_table, 'Scorer', lambda algorithm, loaders: score)
    folders = [tmp_path / 'known', tmp_path / 'other']
    for folder, genotype in zip(
        folders, (entries['constrained-2'], candidates(DIGITS, 0, 1, [])['free-0']), strict=True
    ):
        genotype.save(folder / 'genotype.json')
        record = record_of([[0.4, 0.6, 0.6], [0.4, 0.6, 0.2]])
        (folder / 'search.json').write_text(json.dumps(record))
    failed = record_of([[0.4, 0.6, 0.6]]) | {'result': {'failed': 'degenerate'}}
    (tmp_path / 'failed').mkdir()
    (tmp_path / 'failed/search.json').write_text(json.dumps(failed))
    folders.append(tmp_path / 'failed')
    lines = searches(table, DIGITS, folders, {}).splitlines()[2:]
    assert lines == [
        '| known | 45.68 | 52.50 | -1.000 | 2 3 |',
        '| other | 45.68 | - | -1.000 | 2 3 |',
        '| failed | Fail | - | -1.000 | 3 |',
    ]


def test_the_tool_reads_a_search(
    search: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    entries = candidates(DIGITS, 2, 1, [str(search / 'genotype.json')])
    table = table_of(tmp_path, entries)
    words = ['searches', table, DIGITS, search, '--cfg-options', *TINY]
    assert call('rank_study.py', *map(str, words)) == 0
    line = capsys.readouterr().out.strip().splitlines()[-1]
    record = json.loads((search / 'search.json').read_text())
    derived = record['result']['derived']['metrics']['accuracy/top1']
    _, name, accuracy, trained, tau, settled, _ = (cell.strip() for cell in line.split('|'))
    assert (name, accuracy, trained) == (search.name, f'{derived:.2f}', '53.50')
    assert -1 <= float(tau) <= 1 and settled.split()[-1] == '66'
