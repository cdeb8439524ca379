"""One-line errors and exit codes of the command-line tools."""

from __future__ import annotations

import atexit
import difflib
import inspect
import multiprocessing
import os
import re
import sys
import traceback
from collections.abc import Callable
from json import JSONDecodeError
from pickle import UnpicklingError
from typing import Any, NoReturn
from xml.etree.ElementTree import ParseError

from ..utils.doors import RefusedFileError, close, named
from .console import quieten

UNREADABLE = (UnpicklingError, ParseError, JSONDecodeError, UnicodeDecodeError, EOFError)
"""Errors about a file that do not name it."""
READERS = (('torch.serialization', 'load'), ('mmengine.fileio.io', 'load'))
"""Functions with such errors; their argument is the file."""

HINTS = {
    'Expected more than 1 value per channel': '; a batch holds one image: set '
    'train_dataloader.drop_last=True or another batch_size',
}
"""What to do, by words of an error message that names no key."""

RESUMED = '--resume continues after the last finished epoch'
AGAIN = 'the same command goes on'
GOES_ON = dict(search=RESUMED, train=RESUMED, study=AGAIN, paper=AGAIN, compare=AGAIN)
"""How a tool goes on after Ctrl-C, by the name of its module."""


def _suggestion(error: BaseException) -> str:
    """Return the argument that a misspelt config key probably means, or who takes the key."""
    match = re.match(r"(\w+)\.__init__\(\) .* unexpected keyword argument '(\w+)'", str(error))
    if not match:
        return ''
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    named = [f.f_globals.get(match.group(1)) for f in frames]
    built = [f.f_locals.get('obj_cls') for f in frames]  # what mmengine's registry was building
    classes: list[Any] = [c for c in [*named, *built] if inspect.isclass(c)]
    if not classes:
        return ''
    known = _arguments(classes[-1])
    close = difflib.get_close_matches(match.group(2), sorted(known), n=1)
    if close:
        return f'; did you mean {close[0]!r}?'
    return _takers(match.group(2), classes[-1])


def _arguments(kind: Any) -> set[str]:
    """Return the names of the arguments of a class and of those that it extends."""
    return {name for c in kind.__mro__ for name in inspect.signature(c.__init__).parameters}


def _takers(argument: str, kind: type) -> str:
    """Return which search algorithms take an argument that this one does not take."""
    from ..registry import MODELS

    algorithms = sys.modules.get('ppnas_mm.algorithms')
    if algorithms is None or not issubclass(kind, algorithms.SearchAlgorithm):
        return ''
    classes = filter(inspect.isclass, MODELS.module_dict.values())  # besides factories
    known = [k for k in classes if issubclass(k, algorithms.SearchAlgorithm)]
    names = sorted(k.__name__ for k in known if argument in _arguments(k))
    if not names:
        return ''
    return f'; {kind.__name__} takes no {argument!r}, these do: {", ".join(names)}'


def _command(error: BaseException) -> str:
    """Return the pip command for a missing library, or where a module of the user must be."""
    cause: BaseException | None = error
    while cause is not None and 'pip install' not in str(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            from ..utils.compat import missing

            own = cause.name.split('.')[0]
            if 'custom modules' in str(error) and re.search(rf'\W{own}\W', str(error)):
                return f'; {own} was looked for in the current folder, too; start the tool there'
            return f'; {missing(cause.name)}'
        cause = cause.__cause__ or cause.__context__
    return ''


def _annotation(error: BaseException) -> str:
    """Return the file that was being read when the error happened, if any."""
    if isinstance(error, RefusedFileError):  # says it itself
        return ''
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    reads = [f for f in frames if (f.f_globals.get('__name__'), f.f_code.co_name) in READERS]
    if frames and (reads or isinstance(error, UNREADABLE)):
        name = named((reads or frames)[-1])
        return f'{name}: ' if name and name not in str(error) else ''
    for frame in frames:
        dataset: Any = frame.f_locals.get('self')
        if frame.f_code.co_name == 'full_init' and hasattr(dataset, 'load_data_list'):
            proposals = any(f.f_code.co_name == 'load_proposals' for f in frames)
            where = dataset.proposal_file if proposals else dataset.ann_file or dataset.data_prefix
            return f'{where}: damaged, empty or in another format: '
    return ''


def _lines(error: BaseException) -> list[str]:
    """Return the non-empty lines of an error message."""
    if isinstance(error, UnpicklingError):  # torch's own text advises unsafe reading
        from ..weights.checkpoint import refusal

        return [refusal(error)]
    if isinstance(error, (FileExistsError, NotADirectoryError)) and error.filename:
        return [f'{error.filename}: a file is in the way; expected a folder, or none yet']
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1:] if 'Original Traceback' in str(error) else lines  # of a loader's worker


def run_tool(main: Callable[[], int | None]) -> NoReturn:
    """Run a tool. An error becomes one line on stderr and exit code 2, an interrupt 130."""
    try:
        close()
        quieten(tables=main.__module__.endswith('.test'))
        code = main() or 0
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(_stopped(main), file=sys.stderr)
        code = 130
    except BrokenPipeError:
        code = 141
    except Exception as error:
        if _interrupted(error):
            print(_stopped(main), file=sys.stderr)
            _end(130)
        if os.environ.get('PPNAS_DEBUG'):
            traceback.print_exc()
        lines = _lines(error)
        if not lines:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            lines = [f'{frame.filename}:{frame.lineno}: {frame.line}']
        text = _annotation(error) + ' '.join(lines)[:4000] + _suggestion(error) + _command(error)
        text += next((hint for words, hint in HINTS.items() if words in text), '')
        print(f'error: {type(error).__name__}: {text}', file=sys.stderr)
        code = 2
    _end(code)


def _stopped(main: Callable) -> str:
    """Return what a tool says after an interrupt."""
    then = GOES_ON.get(main.__module__.rpartition('.')[2])
    return f'interrupted; {then}' if then else 'interrupted'


def _interrupted(error: BaseException | None) -> bool:
    """Whether an interrupt caused an error that a library reports as its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _end(code: int) -> NoReturn:
    """Release the work dirs and end the process."""
    work_dir = sys.modules.get('ppnas_mm.engine.work_dir')
    if work_dir is not None:
        work_dir.release()
    _leave_group(code)
    sys.exit(code)


def _leave_group(code: int) -> None:
    """Leave the process group, if there is one, and end the process.

    It skips the interpreter's shutdown, because gloo's threads abort a process that they outlive.
    """
    distributed = sys.modules.get('torch.distributed')
    if distributed is not None and distributed.is_initialized():
        distributed.destroy_process_group()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# set while a spawned worker imports the file of its tool, whose main does not run
if getattr(multiprocessing.current_process(), '_inheriting', False):
    close()
