"""The table of a published study inside another page, so that its numbers are the study's."""

from __future__ import annotations

import re
from pathlib import Path

from ..utils.files import read_json

PLACE = re.compile(
    r'<!-- study (?P<folder>\S+): (?P<rows>[^>]*?) -->\n.*?<!-- end of study -->', re.S
)


def fill(page: Path) -> str:
    """Return a page with the table of each study that it names, from ``results.json``.

    A place is ``<!-- study FOLDER: row, row -->`` ... ``<!-- end of study -->``; the folder is
    relative to the page, and no rows stand for all that have results.
    """

    def table(match: re.Match) -> str:
        found = read_json(page.parent / match['folder'] / 'results.json')
        spent = read_json(page.parent / match['folder'] / 'costs.json')
        main = next(iter(found['datasets']))
        wanted = [name.strip() for name in match['rows'].split(',') if name.strip()]
        rank = f'rank of {found["architectures"]:,}, mean'
        lines = [
            f'| search | seeds | {main} | {rank} | core-seconds |',
            '| --- | ---: | ---: | ---: | ---: |',
        ]
        for name in wanted or found['rows']:
            row = found['rows'][name]
            good = [entry for entry in row['seeds'].values() if 'failed' not in entry]
            if not good:
                continue
            about, times = row['summary'][main], list(spent[name].values())
            place = sum(entry['rank'] for entry in good) / len(good)
            lines.append(
                f'| {name} | {len(row["seeds"])} | {about["mean"]:.2f} ± {about["sd"]:.2f} | '
                f'{place:,.0f} | {sum(times) / len(times):,.0f} |'
            )
        head = f'<!-- study {match["folder"]}: {match["rows"]} -->'
        return '\n'.join([head, *lines, '<!-- end of study -->'])

    return PLACE.sub(table, page.read_text())
