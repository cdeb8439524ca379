"""A Python with TensorFlow, which is not a dependency: tests that need it skip without."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

WHERE = 'PPNAS_TENSORFLOW'


def tensorflow() -> str:
    """Return the Python that ``PPNAS_TENSORFLOW`` names, or this one; skip if neither has it."""
    given = os.environ.get(WHERE)
    if not given and importlib.util.find_spec('tensorflow') is None:
        pytest.skip(f'needs TensorFlow: pip install tensorflow-cpu, or {WHERE}=PYTHON of a venv')
    return given or sys.executable


def run_tensorflow(script: Path | str, *arguments: object) -> str:
    """Run a script, or code, with TensorFlow; return its output."""
    start = ['-c', script] if isinstance(script, str) else [str(script)]
    command = [tensorflow(), *start, *map(str, arguments)]
    environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
