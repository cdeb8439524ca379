"""Which of our functions run on the way from ``tools/search.py`` to ``genotype.json``.

``python tests/helpers/trace_search.py CONFIG OPTION ...`` searches in a temporary folder under a
profiler and prints, for each file, the lines of the functions that ran.
"""

import ast
import os
import runpy
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
OURS = (f'{ROOT}/ppnas_mm/', f'{ROOT}/tools/')
seen: dict[str, set[int]] = {}


def note(frame: FrameType, event: str, argument: Any) -> None:
    """Note the function of a call, if it is one of ours."""
    code = frame.f_code
    if event == 'call' and code.co_name != '<module>' and code.co_filename.startswith(OURS):
        seen.setdefault(code.co_filename, set()).add(code.co_firstlineno)


def lines_of(file: str, starts: set[int]) -> int:
    """Return how many lines the functions that begin there have; inner ones count once."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(Path(file).read_text())):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first in starts:
                found.update(range(first, (node.end_lineno or first) + 1))
    return len(found)


def main(config: str, *options: str) -> None:
    """Search and print."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ['tools/search.py', config, '--work-dir', folder, '--cfg-options', *options]
        sys.setprofile(note)
        threading.setprofile(note)
        try:
            runpy.run_path('tools/search.py', run_name='__main__')
        except SystemExit as stop:
            if stop.code:
                raise
        finally:
            sys.setprofile(None)
        assert (Path(folder) / 'genotype.json').is_file()
    for file, starts in sorted(seen.items()):
        if lines := lines_of(file, starts):
            print('ran', Path(file).relative_to(ROOT), lines)


if __name__ == '__main__':
    main(*sys.argv[1:])
