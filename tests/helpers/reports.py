"""Records of searches for the tests of reports, and the parts of a page."""

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

OPS = ['none', 'skip_connect', 'sep_conv_3x3', 'sep_conv_5x5', 'max_pool_3x3']
SHAPES = {
    'darts': {f'{c}/node{n}/op{i}': OPS for c in ('normal', 'reduction') for n in (2, 3, 4, 5)
              for i in range(n)},
    'mobile': {f'stage{s}/node{n}/op': ['mbconv_3x3_e3', 'mbconv_5x5_e6', 'identity']
               for s in (1, 2, 3) for n in (1, 2)},
    'ppconv': {f'stage{s}/node{n}/op': ['identity', 'conv_1x1', 'conv_3x3']
               for s in (1, 2) for n in (2, 3)},
}  # fmt: skip
SPACES = tuple(SHAPES)


def search(space: str, epochs: int = 6, seed: int = 0, **more: Any) -> dict[str, Any]:
    """A record with random shares, finished."""
    draw = random.Random(seed)
    record: dict[str, Any] = dict(
        config='my_digits.py', algorithm='PPNAS', space=space, seed=3,
        versions=dict(ppnas_mm='0.1.0'), choices={}, epochs=[],
        settings={'train_cfg.max_epochs': epochs, 'model.type': 'ppnas_mm.PPNAS'},
    )  # fmt: skip
    for name, ops in SHAPES[space].items():
        if space == 'ppconv':
            node = int(name.split('/node')[1][0])
            inputs = [str(i) for i in range(node)]
            record['choices'][name[:-2] + 'inputs'] = dict(candidates=inputs, gates=True)
        record['choices'][name] = dict(candidates=ops, gates=False)
    for epoch in range(1, epochs + 1):
        shares = {}
        for name, choice in record['choices'].items():
            row = [draw.random() for _ in choice['candidates']]
            total = 1 if choice['gates'] else sum(row)
            shares[name] = [round(value / total, 6) for value in row]
        entry = dict(epoch=epoch, losses={'loss': 3 / epoch, 'loss_task': 2 / epoch})
        record['epochs'].append(
            {**entry, 'architecture': shares, 'metrics': {'accuracy_val': 50.0}}
        )
    score = dict(metrics={'accuracy/top1': 91.25}, parameters=1234567)
    costs = dict(input_shape=[3, 16, 16], flops=8624896, parameters=215442)
    record['result'] = dict(genotype='0' * 64, super_net=score, derived=score, costs=costs)
    return {**record, **more}


def found(record: dict[str, Any]) -> dict[str, Any]:
    """A genotype's content that keeps the first candidate everywhere, of edges the first two."""
    cells: dict[str, dict[int, list]] = {}
    for name, choice in record['choices'].items():
        if not choice['gates']:
            cell, node, kind = re.fullmatch(r'(.+)/node(\d+)/op(\d*)', name).groups()  # type: ignore[union-attr]
            edges = cells.setdefault(cell, {}).setdefault(int(node), [])
            source = int(kind) if kind else int(node) - 1
            if len(edges) < 2:
                edges.append(dict(op=choice['candidates'][1], sources=[source]))
    return dict(
        cells=[
            dict(name=cell, inputs=min(nodes), nodes=list(nodes.values()))
            for cell, nodes in cells.items()
        ]
    )


def write(folder: Path, record: dict[str, Any]) -> Path:
    """Write the files of a work dir, without a report."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'search.json').write_text(json.dumps(record))
    (folder / 'genotype.json').write_text(json.dumps(found(record)))
    return folder


class Page(HTMLParser):
    """The elements of a page that tests ask for.

    Attributes:
        rows: The texts of all cells, for each row of a table.
        links: What the page refers to.
        data: The data of the script.
        text: All text outside of scripts and styles.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.names: list[str] = []
        self.text, self.inside, self.cell = '', '', False
        self.scripts: list[str] = []
        self.feed(html)
        self.close()
        self.data = json.loads(self.scripts[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.inside = tag if tag in ('script', 'style') else ''
        self.links += [value or '' for name, value in attrs if name in ('href', 'src')]
        if tag == 'tr':
            self.rows.append([])
        elif tag in ('td', 'th'):
            self.rows[-1].append('')
            self.cell = True
        elif tag == 'script':
            self.scripts.append('')

    def handle_endtag(self, tag: str) -> None:
        self.inside = ''
        self.cell = self.cell and tag not in ('td', 'th')

    def handle_data(self, data: str) -> None:
        if self.inside == 'script':
            self.scripts[-1] += data
        elif not self.inside:
            self.text += data
            if self.cell:
                self.rows[-1][-1] += data

    def row(self, head: str) -> list[str]:
        """The only row that begins with this text."""
        (row,) = (row for row in self.rows if row and row[0] == head)
        return row
