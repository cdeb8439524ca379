"""Change one thing at a time in a copy of the package: which changes do its tests notice?

    python tests/mutants --minutes 20

First each test file of the rooms runs once, to see which functions its tests enter and how long
they take (kept until the package changes).  Then mutants, in an order of chance, each against the
tests that enter the changed function, the quickest first, until one fails or the time is over.
A run goes on where the last one ended; ``--again`` tries the survivors anew, ``--also`` against
new tests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import making
import server

ROOT = Path(__file__).parents[2]
LOOK = 150.0
"""CPU seconds of a test file in which its tests are looked at; those after them take no part."""
LONG = 60.0
"""CPU seconds of tests after which a mutant counts as not noticed."""


class Crew:
    """A few copies of the tree, and a child at work in each.

    Args:
        out: Folder of the copies.
        jobs: Number of copies.
    """

    def __init__(self, out: Path, jobs: int) -> None:
        self.out = out
        self.trees = [out / f'tree{i}' for i in range(jobs)]
        for tree in self.trees:
            self._copy(tree)
        server.warm_up()

    def _copy(self, tree: Path) -> None:
        listed = ['git', 'ls-files', '-co', '--exclude-standard']
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
        shutil.rmtree(tree, ignore_errors=True)
        for name in names.stdout.splitlines():
            if (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, tree / name)

    def work(self, tasks: Iterator[Any], begin: Callable, finish: Callable) -> None:
        """Give each free copy the next task; ``begin`` starts a child, ``finish`` reads its end."""
        busy: dict[int, tuple] = {}
        free, left = list(range(len(self.trees))), True
        while left or busy:
            while left and free:
                task = next(tasks, None)
                if task is None:
                    left = False
                    break
                slot = free.pop()
                child, limit = begin(task, self.trees[slot], self.notes(slot))
                if child is None:
                    free.append(slot)
                    continue
                busy[slot] = (task, child, time.monotonic() + limit)
            time.sleep(0.02)
            for slot, (task, child, deadline) in list(busy.items()):
                code = server.ended(child, deadline)
                if code is not None:
                    del busy[slot]
                    free.append(slot)
                    finish(task, self.trees[slot], self.notes(slot), code)

    def notes(self, slot: int) -> Path:
        """The file that the child of a copy writes."""
        return self.out / f'notes{slot}.json'


def digest(*paths: Path) -> str:
    """A hash of files."""
    return hashlib.sha256(b'\0'.join(p.read_bytes() for p in paths)).hexdigest()


def source_of(file: str) -> str:
    """A hash of a file of the package, where it is."""
    return digest(ROOT / file) if (ROOT / file).exists() else ''


def look(crew: Crew, rooms: tuple[str, ...]) -> dict[str, dict]:
    """Return what each test of the rooms enters and takes; run the files that changed.

    Args:
        crew: Who runs them.
        rooms: Folders of ``tests``.
    """
    kept = crew.out / 'tests.json'
    known = json.loads(kept.read_text()) if kept.exists() else {}
    package = digest(*sorted((ROOT / 'ppnas_mm').rglob('*.py')))
    files = sorted(p for room in rooms for p in (ROOT / 'tests' / room).glob('test_*.py'))
    marks = {str(p.relative_to(ROOT)): package + digest(p) for p in files}
    known = {f: entry for f, entry in known.items() if entry['mark'] == marks.get(f)}

    def begin(file: str, tree: Path, notes: Path) -> tuple[int, float]:
        return server.start(tree, [file], notes, cpu=LOOK, calls=True), 20.0 * LOOK

    def finish(file: str, tree: Path, notes: Path, code: int) -> None:
        tests = json.loads(notes.read_text()) if notes.exists() else {}
        bad = [name for name, test in tests.items() if not test['passed']]
        seconds = sum(test['seconds'] for test in tests.values())
        print(f'{file}: {len(tests)} tests, {seconds:.0f} s', *bad, flush=True)
        known[file] = {'mark': marks[file], 'tests': tests}
        kept.write_text(json.dumps(known))

    crew.work((f for f in marks if f not in known), begin, finish)
    return {n: t for e in known.values() for n, t in e['tests'].items() if t['passed']}


def tests_of(mutant: making.Mutant, tests: dict[str, dict]) -> tuple[list[str], float]:
    """Tests that enter what a mutant changed, the quickest first, and their CPU seconds."""
    lines = making.definition((ROOT / mutant.file).read_text(), mutant.line)
    fit = sorted(
        (test['seconds'], name)
        for name, test in tests.items()
        if any(file == mutant.file and line in lines for file, line in test['calls'])
    )
    chosen, total = [], 0.0
    for seconds, name in fit:
        if total > LONG:
            break
        chosen.append(name)
        total += seconds
    return chosen, total


class Trial:
    """Mutants against their tests, and a file of what came out, a line a mutant.

    Args:
        crew: Who runs them.
        tests: What each test enters, and its seconds.
        options: The arguments of the command.
    """

    def __init__(self, crew: Crew, tests: dict[str, dict], options: argparse.Namespace) -> None:
        self.crew, self.tests, self.options = crew, tests, options
        self.kept = crew.out / f'results{options.seed}.jsonl'
        lines = self.kept.read_text().splitlines() if self.kept.exists() else []
        entries = {entry['key']: entry for entry in map(json.loads, lines)}
        self.results = {k: e for k, e in entries.items() if e['source'] == source_of(e['file'])}

    def run(self) -> list[dict]:
        """Run mutants until the time is over; return all results, those of runs before too."""
        self.crew.work(self._tasks(), self._begin, self._finish)
        return list(self.results.values())

    def _tasks(self) -> Iterator[making.Mutant]:
        end = time.monotonic() + 60 * self.options.minutes
        left = {key for key, entry in self.results.items() if not entry['noticed']}
        for mutant in making.sample(ROOT, self.options.seed):
            if time.monotonic() > end or (self.options.again and not left):
                return
            wanted = mutant.key in left if self.options.again else mutant.key not in self.results
            if wanted and self.options.only in mutant.file:
                left.discard(mutant.key)
                yield mutant

    def _begin(self, mutant: making.Mutant, tree: Path, notes: Path) -> tuple[int | None, float]:
        chosen, seconds = tests_of(mutant, self.tests)
        if self.options.also:  # alone: the others have passed
            chosen, seconds = self.options.also, LONG
        if not chosen:
            self._note(mutant, False, 'no test enters it')
            return None, 0.0
        path = tree / mutant.file
        path.write_text(mutant.text)
        os.utime(path, (1, 1))  # so that no compiled file stands for it
        limit = 3 * seconds + 30
        return server.start(tree, chosen, notes, cpu=limit), 2 * limit + 60

    def _finish(self, mutant: making.Mutant, tree: Path, notes: Path, code: int) -> None:
        shutil.copy2(ROOT / mutant.file, tree / mutant.file)
        if code == server.BROKEN:
            raise RuntimeError(notes.with_suffix('.log').read_text()[-2000:])
        ran = json.loads(notes.read_text()) if notes.exists() else {}
        by = [name for name, test in ran.items() if not test['passed']]
        why = f'{len(ran)} tests pass' if code == 0 else 'time' if code < 0 else 'import'
        self._note(mutant, code != 0, by[0] if by else why)

    def _note(self, mutant: making.Mutant, noticed: bool, by: str) -> None:
        entry = {**mutant._asdict(), 'key': mutant.key, 'noticed': noticed, 'by': by}
        entry['source'] = source_of(mutant.file)
        del entry['text']
        self.results[mutant.key] = entry
        with self.kept.open('a') as stream:
            stream.write(json.dumps(entry) + '\n')
        print('noticed ' if noticed else 'SURVIVED', f'{mutant.file}:{mutant.line}', by, flush=True)


def table(results: list[dict]) -> str:
    """Return the share of each room, and the survivors."""
    rooms, noticed = Counter(), Counter()
    for entry in results:
        for room in (entry['file'].split('/')[1], 'all'):
            rooms[room] += 1
            noticed[room] += entry['noticed']
    lines = ['| room | mutants | noticed | share |', '|---|---|---|---|']
    for room, count in sorted(rooms.items(), key=lambda pair: (pair[0] == 'all', pair[0])):
        lines.append(f'| {room} | {count} | {noticed[room]} | {noticed[room] / count:.1%} |')
    lines += ['', '| survivor | change | tests |', '|---|---|---|']
    for entry in sorted(results, key=lambda e: (e['file'], e['line'])):
        if not entry['noticed']:
            change = f'`{entry["before"]}` -> `{entry["after"]}`'.replace('|', '\\|')
            lines.append(f'| {entry["file"]}:{entry["line"]} | {change} | {entry["by"]} |')
    return '\n'.join(lines) + '\n'


def main() -> None:
    """Look, try out, write the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument('--minutes', type=float, default=20, help='time of the mutants')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/mutants'))
    parser.add_argument('--only', default='', help='part of the names of the files to change')
    parser.add_argument('--again', action='store_true', help='try the survivors again')
    parser.add_argument('--also', nargs='+', help='with --again: try these tests, new ones, alone')
    options = parser.parse_args()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    crew = Crew(options.out, options.jobs)
    tests = {} if options.also else look(crew, making.TESTS)
    results = Trial(crew, tests, options).run()
    (options.out / 'mutants.md').write_text(table(results))
    print(table(results))


if __name__ == '__main__':
    main()
