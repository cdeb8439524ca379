"""Tables of published studies inside a page, against a plain reading of their files."""

import json
from pathlib import Path

from ppnas_mm.study.summary import fill

ENTRIES = {'0': (93.0, 10), '1': (94.0, 4)}


def test_a_page_has_the_numbers_of_the_study(tmp_path: Path) -> None:
    seeds = {s: {'accuracy': {'cifar10-test': a}, 'rank': r} for s, (a, r) in ENTRIES.items()}
    rows = {
        'one': {'seeds': seeds, 'summary': {'cifar10-test': {'mean': 93.5, 'sd': 0.5}}},
        'lost': {'seeds': {'0': {'failed': 'none'}}, 'summary': {}},
        'later': {'seeds': {}, 'summary': {}},
    }
    about = {'datasets': {'cifar10-test': {}}, 'architectures': 15625, 'rows': rows}
    folder = tmp_path / 'studies/made'
    folder.mkdir(parents=True)
    (folder / 'results.json').write_text(json.dumps(about))
    (folder / 'costs.json').write_text(json.dumps({'one': {'0': 100.0, '1': 300.0}, 'lost': {}}))
    page = tmp_path / 'page.md'
    place = '<!-- study studies/made: {} -->\nold\n<!-- end of study -->\n'
    page.write_text(f'before\n{place.format("one")}between\n{place.format("")}after\n')
    text = fill(page)
    assert text.count('| one | 2 | 93.50 ± 0.50 | 7 | 200 |') == 2
    assert 'old' not in text and 'lost' not in text and 'later' not in text
    assert [line for line in text.splitlines() if line in ('before', 'between', 'after')]
    page.write_text(text)
    assert fill(page) == text
