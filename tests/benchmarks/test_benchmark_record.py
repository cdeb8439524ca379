"""Records of benchmarks: interleaved rounds, table, picture, and the blocks of the page."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from tool import ROOT, call

from ppnas_mm.benchmarks import page
from ppnas_mm.benchmarks.record import Record, timed
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.utils import timing

RESULTS = [
    {'network': 'a', 'batch': 1, 'median': 12.34, 'least': 10.0, 'ratio': 1.0, 'memory': None},
    {'network': 'b', 'batch': 1, 'median': 24.68, 'least': 20.0, 'ratio': 2.0, 'memory': 7.6},
]
GIVEN = {'device': 'abacus', 'threads': 3, 'rounds': 5, 'versions': {'torch': '9.9'}}
RECORD = Record('latency', GIVEN, RESULTS, 'python tools/benchmark.py latency')
TABLE = """\
| network | median, ms | least, ms | times a | peak memory, MiB |
| ------- | ---------: | --------: | ------: | ---------------: |
| a       |       12.3 |      10.0 |    1.00 |                - |
| b       |       24.7 |      20.0 |    2.00 |                8 |

abacus, threads: 3, batch 1, 5 interleaved rounds, torch 9.9"""


def test_rounds_are_interleaved(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of which each call takes the seconds of a list."""
    clock, calls = [0.0], []
    lasts = {'a': iter([9, 9, 4, 1, 2]), 'b': iter([9, 9, 6, 8, 7]), 'c': iter([9, 9, 1, 1, 3])}

    def run(name: str) -> Callable[[], None]:
        def one() -> None:
            calls.append(name)
            clock[0] += next(lasts[name])

        return one

    monkeypatch.setattr(timing, 'time', SimpleNamespace(perf_counter=lambda: clock[0]))
    found = timed(('network',), {(n,): run(n) for n in 'abc'}, 'cpu', rounds=3, warmup=2)
    assert ''.join(calls) == 'aabbcc' + 3 * 'abc'
    assert found == [
        {'network': 'a', 'median': 2000, 'least': 1000, 'ratio': 1},
        {'network': 'b', 'median': 7000, 'least': 6000, 'ratio': 3.5},
        {'network': 'c', 'median': 1000, 'least': 1000, 'ratio': 0.5},
    ]


def test_table() -> None:
    assert RECORD.report() == TABLE


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    RECORD.save(tmp_path / 'x.json')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['x.json', 'x.md', 'x.svg']
    assert json.loads((tmp_path / 'x.json').read_text()) == {
        'what': 'latency',
        'command': RECORD.command,
        'conditions': GIVEN,
        'results': RESULTS,
    }
    assert Record.load(tmp_path / 'x.json') == RECORD
    assert (tmp_path / 'x.md').read_text() == TABLE + '\n'


def test_picture_shows_every_result() -> None:
    """A panel for each batch, a bar and its value for each result; the same bytes each time."""
    forms = [
        {**r, 'form': f, 'median': r['median'] + i} for i, f in enumerate('xy') for r in RESULTS
    ]
    record = replace(RECORD, results=[*forms, *({**r, 'batch': 8} for r in forms)])
    svg = record.draw()
    assert svg == record.draw()
    ElementTree.fromstring(svg)
    texts = re.findall(r'<!-- (.+?) -->', svg.decode())
    for word in ('a', 'b', 'batch 1', 'batch 8', '12.3', '13.3', '24.7', '25.7'):
        assert texts.count(word) >= (1 if 'batch' in word else 2), word


@pytest.mark.parametrize(
    'content',
    [
        '{',
        '[]',
        '{"what": "x"}',
        json.dumps({'what': 'x', 'conditions': GIVEN, 'results': []}),
        json.dumps({'what': 'x', 'conditions': GIVEN, 'results': [{'color': 1}]}),
        json.dumps({'what': 'x', 'conditions': {}, 'results': RESULTS}),
    ],
)
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / 'x.json').write_text(content)
    with pytest.raises(ConfigError, match=r'x\.json: not the record of a benchmark'):
        Record.load(tmp_path / 'x.json')


# -- the page --------------------------------------------------------------------------------------

BLOCK = '<!-- benchmark: x -->\n<!-- end -->'


def write_page(folder: Path, text: str) -> Path:
    RECORD.save(folder / 'benchmarks/x')
    (folder / 'results').mkdir()
    (folder / 'results/other.md').write_text('a page without blocks\n')
    (folder / 'results/page.md').write_text(text)
    return folder / 'results/page.md'


def test_blocks_are_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = write_page(tmp_path, f'# Title\n\n{BLOCK}\n\nthe rest\n')
    run: list[Any] = ['benchmark.py', 'results', '--pages', path.parent]
    assert call(*run, '--check') == 1
    assert "block 'x' differs" in capsys.readouterr().out
    assert path.read_text() == f'# Title\n\n{BLOCK}\n\nthe rest\n'
    (tmp_path / 'benchmarks/x.svg').unlink()
    assert call(*run) == 0
    expected = f"""# Title

<!-- benchmark: x -->
`python tools/benchmark.py latency`

{TABLE}

![x](../benchmarks/x.svg)
<!-- end -->

the rest
"""
    assert path.read_text() == expected
    assert (tmp_path / 'benchmarks/x.svg').is_file()
    assert call(*run, '--check') == 0
    path.write_text(expected.replace('24.7', '24.8'))
    assert call(*run, '--check') == 1
    assert call(*run) == 0 and path.read_text() == expected


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('no block', 'one block for each record'),
        (f'{BLOCK}\n{BLOCK}', 'one block for each record'),
        (BLOCK.replace(' x ', ' y '), 'one block for each record'),
        ('<!-- benchmark: x -->\n', 'not all with an end'),
        ('<!-- benchmark: y -->\n' + BLOCK, 'not all with an end'),
    ],
)
def test_blocks_and_records_that_do_not_fit(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        page.render(write_page(tmp_path, text).parent)


def test_the_results_agree_with_their_records() -> None:
    """Also by the figures alone: each median and count of a record is in its block."""
    texts, differ = page.render(ROOT / 'docs/results')
    assert differ == [] and all(path.read_text() == text for path, text in texts.items())
    blocks = dict(b for text in texts.values() for b in page.BLOCK.findall(text))
    assert {'params', 'latency', 'search-step-cdarts', 'search-step-eoinas'} <= set(blocks)
    for name, text in blocks.items():
        record = json.loads((ROOT / f'docs/benchmarks/{name}.json').read_text())
        assert f'`{record["command"]}`' in text
        rows = [line.strip('|').split('|') for line in text.splitlines() if line[:1] == '|'][2:]
        for result, row in zip(record['results'], rows, strict=True):
            cells = [cell.strip() for cell in row]
            styles = {'median': '.1f', 'millions': '.3f', 'kept': '.0f'}
            shown = [format(result[key], styles[key]) for key in styles if key in result]
            assert shown and {*shown} <= {*cells}
            assert {result.get('network'), result.get('formulation'), result.get('config')} & {
                *cells
            }
        assert (ROOT / f'docs/benchmarks/{name}.svg').is_file()
