"""The wheel and its .mim folder; missing libraries; what an import costs in modules."""

import subprocess
import sys
import zipfile

import pytest
from tool import ROOT


def python(code, *arguments):
    """Run code in a fresh interpreter; return its last line of output or of error."""
    command = [sys.executable, '-W', 'ignore', '-c', code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return (done.stdout + done.stderr).strip().splitlines()[-1]


def test_a_wheel_carries_genotypes_and_mim(tmp_path):
    files = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True)
    if files.returncode:
        pytest.skip('needs a git checkout')
    copy = tmp_path / 'copy'
    for name in files.stdout.split():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '-q']
    done = subprocess.run([*command, '-w', str(tmp_path), '.'], cwd=copy, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    names = set(zipfile.ZipFile(next(tmp_path.glob('ppnas_mm-*.whl'))).namelist())
    tracked = files.stdout.split()
    shipped = ('configs/', 'tools/', 'model_zoo/', 'model-index.yml')
    expected = {f'ppnas_mm/.mim/{n}' for n in tracked if n.startswith(shipped)}
    expected |= {n for n in tracked if n.startswith('ppnas_mm/')}
    assert len(expected) > 80 and expected <= names, sorted(expected - names)[:5]


@pytest.mark.parametrize(
    ('module', 'code', 'package'),
    [
        ('mmengine', 'import ppnas_mm', 'onedl-mmengine'),
        ('mmcv', 'import ppnas_mm.ops', 'onedl-mmcv'),
        ('mmpretrain', 'import ppnas_mm.datasets', 'onedl-mmpretrain'),
        ('sklearn', 'from ppnas_mm.datasets import Digits; Digits()', 'scikit-learn'),
        ('mmdet', 'from ppnas_mm.compat import require; require("mmdet")', 'onedl-mmdetection'),
    ],
)
def test_a_missing_library_is_named_with_its_pip_command(module, code, package):
    line = python(f'import sys; sys.modules[{module!r}] = None\n{code}')
    assert line == f'ImportError: {module} is not installed; run: pip install {package}'
