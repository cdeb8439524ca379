"""Children that begin with the libraries imported and run some tests in a copy of the tree."""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

LIBRARIES = ('mmpretrain.models', 'mmdet.models', 'mmseg.models', 'hypothesis', 'yapf', 'sklearn')
BROKEN = 70
"""Exit code of a child that failed before its tests ran or after."""


def warm_up() -> None:
    """Import what every child needs, but nothing of the package."""
    for name in LIBRARIES:
        importlib.import_module(name)
    assert 'ppnas_mm' not in sys.modules
    gc.collect()
    gc.freeze()


class Notes:
    """A plugin that writes down, for each test, its outcome, seconds and (asked for) what it calls.

    Args:
        tree: The copy of the tree.
        chosen: The tests to run, in this order, by their names or files.
        calls: Whether to note the functions of the package that each test enters.
    """

    def __init__(self, tree: Path, chosen: list[str], calls: bool) -> None:
        self.order = {name: i for i, name in enumerate(chosen)}
        self.package, self.calls = f'{tree}/ppnas_mm/', calls
        self.skip = len(f'{tree}/')
        self.tests: dict[str, dict[str, Any]] = {}
        self.entered: set[tuple[str, int]] = set()

    def _trace(self, frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        if code.co_filename.startswith(self.package):
            self.entered.add((code.co_filename[self.skip :], code.co_firstlineno))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose; tests whose parameters the change renamed stand for those that are gone."""
        gone = {n.split('[')[0] for n in set(self.order) - {item.nodeid for item in items}}
        found = {item.nodeid: item for item in items if item.nodeid in self.order}
        others = [
            item
            for item in items
            if item.nodeid not in found
            and {item.nodeid.split('[')[0], item.nodeid.split('::')[0]} & gone
        ]
        items[:] = [*sorted(found.values(), key=lambda i: self.order[i.nodeid]), *others]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        self.entered, began = set(), time.process_time()
        if self.calls:
            threading.settrace(self._trace)
            sys.settrace(self._trace)
        yield
        sys.settrace(None)
        note = self.tests.setdefault(item.nodeid, {'passed': True})
        note['seconds'] = time.process_time() - began
        note['calls'] = sorted(self.entered)

    def pytest_runtest_logreport(self, report: Any) -> None:
        note = self.tests.setdefault(report.nodeid, {'passed': True})
        note['passed'] = note['passed'] and not report.failed


def start(tree: Path, tests: list[str], notes: Path, cpu: float, calls: bool = False) -> int:
    """Fork a child that runs tests in a tree; return its process id.

    Args:
        tree: The copy.
        tests: Files or names of tests.
        notes: The file that the child writes at its end.
        cpu: Its limit of CPU seconds; it is killed then.
        calls: See :class:`Notes`.
    """
    notes.unlink(missing_ok=True)
    child = os.fork()
    if child:
        return child
    code = BROKEN
    try:
        os.setsid()
        code = _run(tree, tests, notes, cpu, calls)
    finally:
        os._exit(code)


def _run(tree: Path, tests: list[str], notes: Path, cpu: float, calls: bool) -> int:
    out = os.open(notes.with_suffix('.log'), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu) + 1, int(cpu) + 10))
    if calls:  # what was seen until then is noted
        signal.signal(signal.SIGXCPU, signal.default_int_handler)
    os.chdir(tree)
    os.environ.update(PYTHONPATH=str(tree), OMP_NUM_THREADS='1')
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = not calls  # what is written then is of the tree without a change
    plugin = Notes(tree, tests, calls)
    files = dict.fromkeys(name.split('::')[0] for name in tests)
    code = int(pytest.main([*files, '-q', '-n0', *([] if calls else ['-x'])], plugins=[plugin]))
    package: Any = sys.modules.get('ppnas_mm')
    if package is not None and not str(package.__file__).startswith(plugin.package):
        raise RuntimeError(f'the tests ran {package.__file__}')
    notes.write_text(json.dumps(plugin.tests))
    sys.stdout.flush()
    return code


def ended(child: int, deadline: float) -> int | None:
    """Exit code of a child, negative for a signal; None while it runs; killed at the deadline."""
    found, status = os.waitpid(child, os.WNOHANG)
    if found:
        return os.waitstatus_to_exitcode(status)
    if time.monotonic() > deadline:
        os.killpg(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None
