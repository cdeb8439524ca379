"""Fresh interpreters, whose imports leave no traces here, and packages that lack something."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tool import ROOT


def start(arguments: list[str], *path: Path) -> subprocess.Popen:
    """Start an interpreter with folders in front of its path."""
    found = os.pathsep.join([*map(str, path), str(ROOT), os.environ.get('PYTHONPATH', '')])
    return subprocess.Popen(
        [sys.executable, '-W', 'ignore', *arguments],
        cwd=sys.prefix,  # no package lies here
        env={**os.environ, 'PYTHONPATH': found, 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    """Return what a process printed; it must have ended well."""
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err[-3000:]
    return out


def run(code: str, *path: Path) -> str:
    """Run code in an interpreter of its own; return what it printed."""
    return finish(start(['-c', code], *path))


def without_vision_ops(folder: Path) -> Path:
    """Return a folder with a torchvision whose library is gone.

    Beside a CPU build of torch it is there, but does not load, which torchvision takes alike.
    """
    spec: Any = importlib.util.find_spec('torchvision')
    (folder / 'torchvision').mkdir(parents=True)
    for path in Path(spec.origin).parent.iterdir():
        if path.suffix not in ('.so', '.pyd', '.dylib') and path.name != '__pycache__':
            (folder / 'torchvision' / path.name).symlink_to(path)
    return folder


def fake_package(folder: Path, name: str, version: str, text: str = '') -> Path:
    """Write a package with a version into a folder; return the folder."""
    (folder / name).mkdir(parents=True)
    (folder / name / '__init__.py').write_text(text)
    info = folder / f'{name}-{version}.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
    return folder
