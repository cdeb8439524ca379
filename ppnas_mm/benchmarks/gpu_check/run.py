"""Runs the parts one after the other within a time limit, and writes the results after each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ...utils.files import write_atomic
from .page import report
from .parts import PARTS, Part, Row, part_named, read_rows

NAME = 'gpu_check'
"""Name of the output files ``.json``, ``.md`` and ``.log``."""
MARGIN = 8.0
"""Seconds reserved for ending a part that ran out of time, and for writing."""


@dataclass(frozen=True)
class Plan:
    """A run.

    Attributes:
        out: Folder of the results.
        minutes: Time limit of the whole run.
        device: ``'cuda'`` or ``'cpu'``.
        tiny: See :class:`Options`.
        data: See :class:`Options`.
        parts: Parts to run.
        since: Start of the run, including set-up, in seconds since the epoch.
    """

    out: Path
    minutes: float
    device: str
    tiny: bool
    data: Path | None
    parts: Sequence[Part]
    since: float


def check(plan: Plan, tool: Path, command: str) -> dict[str, Any]:
    """Run the parts; a part that fails or runs out of time does not stop the others.

    Args:
        plan: The run.
        tool: The script that runs one part (``TOOL part NAME ...``).
        command: The command line, for the record.

    Returns:
        The record, as in ``gpu_check.json``.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = dict(
        schema=1,
        command=command,
        date=time.strftime('%Y-%m-%d', time.gmtime(plan.since)),
        device=plan.device,
        tiny=plan.tiny,
        minutes=plan.minutes,
        parts=[],
    )
    end = plan.since + 60 * plan.minutes
    with open(plan.out / f'{NAME}.log', 'a') as log:
        for number, part in enumerate(plan.parts, 1):
            left = end - time.time() - MARGIN
            share = part.share if number < len(plan.parts) else 1.0  # the last uses all time left
            limit = max(0.0, min(60 * plan.minutes * share, left))
            print(
                f'[{number}/{len(plan.parts)}] {part.title}: at most {limit:.0f} s; '
                f'{left / 60:.1f} min left',
                flush=True,
            )
            found = run_part(part, plan, tool, limit, log)
            record['parts'].append(found)
            record['seconds'] = round(time.time() - plan.since, 1)
            write(record, plan.out)
            print(f'    {found["status"]} after {found["seconds"]:.0f} s', flush=True)
    return record


def write(record: dict[str, Any], out: Path) -> None:
    """Write the record and its page."""
    write_atomic(out / f'{NAME}.json', (json.dumps(record, indent=1) + '\n').encode())
    write_atomic(out / f'{NAME}.md', (report(record) + '\n').encode())


def run_part(part: Part, plan: Plan, tool: Path, limit: float, log: IO[str]) -> dict[str, Any]:
    """Run one part in its own process, for at most ``limit`` seconds.

    Returns:
        Name, title, limit, seconds, status (``'done'``, ``'failed'`` or ``'out of time'``), error
        (the last line of output of a failed part) and rows.
    """
    rows = plan.out / f'.{part.name}.rows'
    rows.unlink(missing_ok=True)
    start = time.time()
    given: list[Any] = [tool, 'part', part.name, '--device', plan.device, '--out', plan.out]
    given += ['--rows', rows, '--until', start + limit - MARGIN / 2]
    given += ['--tiny'] * plan.tiny + (['--data', plan.data] if plan.data else [])
    log.write(f'\n== {part.name}\n')
    log.flush()
    place = log.tell()
    status = _wait([sys.executable, *map(str, given)], limit, log)
    found: list[Row] = read_rows(rows)
    rows.unlink(missing_ok=True)
    return dict(
        name=part.name,
        title=part.title,
        limit=round(limit, 1),
        seconds=round(time.time() - start, 1),
        status=status,
        error=_last_line(Path(log.name), place) if status == 'failed' else '',
        rows=found,
    )


def _wait(command: Sequence[str], limit: float, log: IO[str]) -> str:
    """Run a command in its own process group, which is always ended."""
    if limit <= MARGIN:
        return 'out of time'
    process = subprocess.Popen(
        command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        return 'done' if process.wait(limit) == 0 else 'failed'
    except subprocess.TimeoutExpired:
        return 'out of time'
    finally:
        _end(process)


def _end(process: subprocess.Popen) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(MARGIN / 4)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _last_line(log: Path, place: int) -> str:
    with open(log, errors='replace') as file:
        file.seek(place)
        lines = [line.strip() for line in file if line.strip()]
    named = [line for line in lines if 'Error' in line] or lines
    return named[-1][:500] if named else ''


def wrong(record: dict[str, Any]) -> list[str]:
    """Return descriptions of failed parts and of checks that did not pass."""
    found = []
    for part in record['parts']:
        if part['status'] == 'failed':
            found.append(f'{part["name"]}: {part["error"]}')
        found += [f'{part["name"]}: {row}' for row in part['rows'] if row.get('ok') is False]
    return found


def chosen(names: Sequence[str] | None) -> list[Part]:
    """Return the parts with these names, in order of importance; ``None``: all.

    Raises:
        ValueError: If a name is unknown.
    """
    wanted = None if names is None else [part_named(name) for name in names]
    return [part for part in PARTS if wanted is None or part in wanted]
