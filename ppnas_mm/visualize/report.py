"""The report of a search: one HTML file that needs neither a server nor a network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from ..utils.choice_key import ChoiceKey
from ..utils.files import DamagedFileError, read_json, write_atomic
from ..utils.tables import figure, scores
from .picture import search_title
from .report_data import (
    Choice,
    choices_of,
    curves_of,
    drawing,
    gate_level,
    state_of,
)
from .report_steps import PLACE, latency_command, next_steps
from .style import ARROW, DARK, FAINT, PALE

NAME = 'report.html'
LINKED = ('*.json', '*.svg', '*.md', 'config.py', 'derived.safetensors', 'retrain/result.json')
"""Files of a work dir that the report links, in this order."""


@cache
def _part(suffix: str) -> str:
    """Return the template, the style or the script."""
    return Path(__file__).with_suffix(suffix).read_text(encoding='utf-8')


def write_report(
    folder: str | os.PathLike, record: Mapping[str, Any] | None = None, failed: str = ''
) -> Path:
    """Write ``report.html`` into the work dir of a search, atomically.

    The same files give the same bytes; the page names neither times nor absolute paths of its own.

    Args:
        folder: The work dir; ``genotype.json``, ``seeds.json`` and ``retrain/result.json`` are read
            where they exist.
        record: The content of ``search.json``; ``None``: read it.
        failed: Why the search stopped, if the record does not say it.

    Returns:
        The file.

    Raises:
        DamagedFileError: If a file in the work dir cannot be read.
        ValueError: If the record is not one of a search.
    """
    folder = Path(folder)
    if record is None:
        record = read_json(folder / 'search.json')
    path = folder / NAME
    write_atomic(path, report(record, folder, failed).encode())
    return path


def report(record: Mapping[str, Any], folder: Path, failed: str = '') -> str:
    """Return the page; see :func:`write_report`."""
    choices = choices_of(record)
    try:
        title, (state, words) = search_title(record), state_of(record, failed)
        cells = _cells(folder) if state == 'finished' else []
        data = json.dumps(drawing(record, choices, cells), separators=(',', ':'))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'not the record of a search: {error!r:.100}') from None
    files = _files(folder)
    script = _part('.js')
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    colours = dict(dark=DARK, arrow=ARROW, faint=FAINT, pale=PALE)
    return Template(_part('.html')).substitute(
        title=escape(title),
        state=state,
        words=escape(words),
        about=_about(record),
        facts=_facts(record),
        remarks=_list('remarks', record.get('result', {}).get('remarks', [])),
        decisions=_decisions(record, choices, cells),
        epochs=_epochs(record),
        costs=_costs(record, folder),
        seeds=_seeds(folder),
        steps=_steps(next_steps(record, state, files)),
        files=_list('files', [f'<a href="{escape(f)}">{escape(f)}</a>' for f in files], raw=True),
        settings=_settings(record),
        data=data.replace('&', '\\u0026').replace('<', '\\u003c').replace('>', '\\u003e'),
        style=Template(_part('.css')).substitute(colours),
        script=script,
        digest=digest,
    )


def _cells(folder: Path) -> list[dict[str, Any]]:
    """Return the cells of the architecture found; a search may not have written it yet."""
    path = folder / 'genotype.json'
    return read_json(path)['cells'] if path.is_file() else []


def _files(folder: Path) -> list[str]:
    """Return the names of the linked files, those of searches with other seeds at the end."""
    paths = [path for pattern in LINKED for path in sorted(folder.glob(pattern))]
    paths += sorted(folder.glob(f'seed-*/{NAME}'), key=lambda path: (len(path.parts[-2]), path))
    names = [path.relative_to(folder).as_posix() for path in paths]
    return [name for name in names if not name.rpartition('/')[2].startswith('.')]


# -- parts of the page -----------------------------------------------------------------------------


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str]], caption: str, kind: str = ''
) -> str:
    """Return a table of ready HTML; the first cell of a row is its heading."""
    labels = [f' data-label="{word}"' if kind else '' for word in header[1:]]
    head = ''.join(f'<th scope="col">{cell}</th>' for cell in header)
    body = ''.join(
        f'<tr><th scope="row">{first}</th>{_cells_of(rest, labels)}</tr>' for first, *rest in rows
    )
    return (
        f'<div class="wide {kind}" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f'<tbody>{body}</tbody></table></div>'
    )


def _cells_of(cells: Sequence[str], labels: Sequence[str]) -> str:
    return ''.join(f'<td{a}>{cell}</td>' for cell, a in zip(cells, labels, strict=True))


def _list(kind: str, items: Sequence[str], raw: bool = False) -> str:
    """Return a list, or nothing; ``raw``: of ready HTML."""
    words = ''.join(f'<li>{item if raw else escape(str(item))}</li>' for item in items)
    return f'<ul class="{kind}">{words}</ul>' if items else ''


def _number(value: Any) -> str:
    """Return a number as text, whole ones with commas; anything else escaped."""
    if isinstance(value, int):
        return f'{value:,}'
    return f'{value:.5g}' if isinstance(value, float) else escape(str(value))


def _score(value: Any) -> str:
    return figure(value) if isinstance(value, float) else _number(value)


def _about(record: Mapping[str, Any]) -> str:
    """Return config, seed and versions."""
    versions = record.get('versions', {})
    words = dict(config=record.get('config'), seed=record.get('seed'), **versions)
    return ''.join(f'<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>' for k, v in words.items())


def _facts(record: Mapping[str, Any]) -> str:
    """Return the main numbers: the scores of the derived network, and its costs."""
    result = record.get('result', {})
    derived, costs = result.get('derived', {}), result.get('costs', {})
    found = {name: _score(value) for name, value in derived.get('metrics', {}).items()}
    if 'parameters' in derived:
        found['parameters'] = _number(derived['parameters'])
    if 'flops' in costs:
        found['multiply-adds of the backbone'] = _number(costs['flops'])
    return ''.join(
        f'<div><dt>{escape(name)}</dt><dd>{value}</dd></div>' for name, value in found.items()
    )


def _decisions(
    record: Mapping[str, Any], choices: Sequence[Choice], cells: Sequence[Mapping[str, Any]]
) -> str:
    """Return the table of choices: what each has decided, and since when."""
    if not choices:
        text = '<p>No shares are recorded: the search has had no epoch.</p>'
        whole = [Choice(name, ChoiceKey.parse(name), [], []) for name in record['choices']]
        pairs = [(escape(choice.label), escape(choice.kept(cells))) for choice in whole]
        return text + (_table(('choice', 'found'), pairs, 'What was found') if cells else '')
    on, epochs = gate_level(record), [entry['epoch'] for entry in record['epochs']]
    rows = []
    for number, choice in enumerate(choices):
        last = choice.rows[-1]
        best = choice.strongest(last, on)
        share = '' if choice.key.gates or not best or last is None else f'{last[best[0]]:.2f}'
        strip = f'<svg class="strip" data-choice="{number}" aria-hidden="true"></svg>'
        since = choice.since(epochs, on) or ''
        words = escape(choice.words(on))
        found = []
        if cells:
            kept = escape(choice.kept(cells))
            found = [kept if kept in (words, 'not kept') else f'<b>{kept}</b>']
            words = f'<span class="same">{words}</span>' if kept == words else words
        rows.append((escape(choice.label), *found, words, share, str(since), strip))
    header = ['choice', *['found'] * bool(cells), 'strongest', 'share', 'since epoch']
    header.append('over the epochs')
    text = _table(header, rows, 'What each choice has decided, and since which epoch', 'decisions')
    return _STRIPS + text + (_OTHER if '<b>' in text else '')


_STRIPS = (
    '<p class="note script">A strip has a column for each epoch: the colour of the strongest '
    'operation, the fuller the larger its share. Strips of connections have a line for each input. '
    'The mark is the epoch since which the choice has not changed.</p>'
)
_OTHER = (
    '<p class="note">Bold: the algorithm has found something other than the strongest, by its rule '
    'for whole networks (for example how many identities a cell has).</p>'
)


def _epochs(record: Mapping[str, Any]) -> str:
    """Return the table of losses and metrics."""
    curves = [curve for group in curves_of(record).values() for curve in group]
    if not curves:
        return '<p>No losses are recorded: the search has had no epoch.</p>'
    rows = [
        [str(entry['epoch']), *('' if v is None else _number(v) for v in values)]
        for entry, *values in zip(record['epochs'], *(c['values'] for c in curves), strict=True)
    ]
    table = _table(['epoch', *(escape(c['name']) for c in curves)], rows, 'Means of each epoch')
    return f'<details><summary>The same numbers as a table</summary>{table}</details>'


def _costs(record: Mapping[str, Any], folder: Path) -> str:
    """Return scores and sizes of the networks, costs of the backbone, and the latency's command."""
    result, text = record.get('result', {}), ''
    found = scores(folder, result)
    names = list(dict.fromkeys(name for entry in found.values() for name in entry['metrics']))
    if found:
        rows = [
            [escape(label), *(_score(e['metrics'].get(n, '-')) for n in names),
             _number(e.get('parameters', '-'))]
            for label, e in found.items()
        ]  # fmt: skip
        header = ['network', *map(escape, names), 'parameters']
        text += _table(header, rows, 'Scores on the validation data of the config')
    elif result.get('weights'):
        text += f'<p>Weights: {escape(result["weights"])}.</p>'
    costs = dict(result.get('costs', {}))
    if costs:
        shape = ' x '.join(map(str, costs.pop('input_shape', [])))
        names_of = dict(flops=f'multiply-adds for an image of {shape}', parameters='parameters')
        rows = [[names_of.get(key, escape(key)), _number(v)] for key, v in costs.items()]
        text += _table(['backbone found', ''], rows, 'Costs of the backbone found')
    limits = _limits(record)
    compared = result.get('final_round', [])
    if compared:
        rows = [
            [escape(row['genotype'][:8]), _number(row['loss']), _number(row['accuracy'])]
            for row in compared
        ]
        text += _table(['genotype', 'loss', 'accuracy'], rows, 'Finalists, each trained alone')
    return text + limits + _latency(record, _files(folder))


def _limits(record: Mapping[str, Any]) -> str:
    """Return the costs by which the search selected, if it has limits."""
    selection = record['epochs'][-1].get('selection', {}) if record['epochs'] else {}
    rows = [[escape(name), _number(value)] for name, value in selection.get('costs', {}).items()]
    return _table(['selected network', ''], rows, 'Costs in the selection') if rows else ''


def _latency(record: Mapping[str, Any], files: Sequence[str]) -> str:
    command = latency_command(record, files)
    steps = {'Measure the latency of every candidate on this machine': command}
    return _steps(steps) if record.get('config') else ''


def _seeds(folder: Path) -> str:
    """Return the section of a search with several seeds, or nothing."""
    path = folder / 'seeds.json'
    if not path.is_file():
        return ''
    about = read_json(path)
    try:
        names, best, rows = about['metrics'], about['best'], []
        for row in about['seeds']:
            seed = row['seed']
            label = f'<a href="seed-{seed}/{NAME}">seed {seed}</a>'
            values = [_score(row['values'].get(key, '-')) for key in names]
            rows.append([label + ' (best)' * (seed == best), *values])
        fails = about.get('failed', {}).items()
        rows += [[f'seed {escape(s)}', *['failed'] * len(names)] for s, _ in fails]
        meaning, metric = about['criterion']['meaning'], about['criterion']['metric']
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(f'{path}: not the table of several seeds: {error!r:.60}') from None
    header = ['seed', *(escape(f'{key.replace("_", "-")}: {names[key]}') for key in names)]
    words = (
        f'<p>This page shows seed {best}, the best by {escape(metric)} of {escape(meaning)}.</p>'
    )
    table = _table(header, rows, 'Every seed, after its search')
    reasons = _list('remarks', [f'seed {seed}: {reason}' for seed, reason in fails])
    text = f'<h2 id="seeds">Seeds</h2>{words}{table}{reasons}'
    return f'<section aria-labelledby="seeds">{text}</section>'


def _steps(steps: Mapping[str, str]) -> str:
    """Return commands with their headings; the script adds a button that copies each."""
    found = ''
    for words, command in steps.items():
        place = f'<span class="place">{PLACE}</span>'
        code = escape(command).replace(PLACE, place)
        found += (
            f'<div class="step"><h3>{escape(words)}</h3><pre tabindex="0"><code>{code}</code></pre>'
            '</div>'
        )
    return found


def _settings(record: Mapping[str, Any]) -> str:
    """Return the table of settings."""
    rows = [
        [escape(key), escape(value if isinstance(value, str) else json.dumps(value))]
        for key, value in sorted(record.get('settings', {}).items())
    ]
    if not rows:
        return '<p>The record has no settings.</p>'
    return _table(['setting', 'value'], rows, 'Settings that affect the search')
