"""The wheel and its .mim folder; missing libraries; what an import costs in modules."""

import ast
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
from tool import ROOT

from ppnas_mm.utils.compat import PIP_NAMES


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
        ('mmcv', 'import ppnas_mm.layers.ops', 'onedl-mmcv'),
        ('mmpretrain', 'import ppnas_mm.datasets', 'onedl-mmpretrain'),
        ('sklearn', 'from ppnas_mm.datasets import Digits; Digits()', 'scikit-learn'),
        (
            'mmdet',
            'from ppnas_mm.utils.compat import require; require("mmdet")',
            'onedl-mmdetection',
        ),
    ],
)
def test_a_missing_library_is_named_with_its_pip_command(module, code, package):
    line = python(f'import sys; sys.modules[{module!r}] = None\n{code}')
    assert line == f'ImportError: {module} is not installed; run: pip install {package}'


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of the tracked files."""
    files = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True)
    if files.returncode:
        pytest.skip('needs a git checkout')
    copy = tmp_path_factory.mktemp('checkout')
    names = [name for name in files.stdout.splitlines() if (ROOT / name).is_file()]
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy, names


def test_the_sdist_is_whole(checkout, tmp_path):
    copy, tracked = checkout
    command = [sys.executable, 'setup.py', '-q', 'sdist', '-d', str(tmp_path)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    with tarfile.open(next(tmp_path.glob('*.tar.gz'))) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}
    assert set(tracked) - names <= {'.gitignore'}


def test_the_metadata_says_what_an_index_shows(checkout):
    copy, _ = checkout
    done = subprocess.run(
        [sys.executable, 'setup.py', '-q', 'egg_info'], cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    text = (copy / 'ppnas_mm.egg-info/PKG-INFO').read_text()
    head, _, description = text.partition('\n\n')
    for name in ('Author', 'Home-page', 'Project-URL', 'License', 'Keywords', 'Classifier'):
        assert f'\n{name}: ' in head, name
    assert 'Programming Language :: Python :: 3.11' in head
    targets = re.findall(r'\]\(([^)]+)\)', description)
    assert len(targets) > 10 and all(re.match(r'https?://|#', target) for target in targets)


def imports_of(folder):
    """Libraries that files import anywhere; ours and Python's own left out."""
    found = set()
    for path in folder.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split('.')[0])
    return found - set(sys.stdlib_module_names) - {'ppnas_mm'}


def test_what_is_imported_is_declared():
    setup = (ROOT / 'setup.py').read_text()
    declared = set(re.findall(r"'([A-Za-z][\w-]+)[<>='\[]", setup))
    others = {  # and what brings them
        'urllib3': 'requests',
        'cv2': 'onedl-mmcv',
        'modelindex': 'onedl-mmpretrain',
        'typing_extensions': 'torch',
    }
    for name in imports_of(ROOT / 'ppnas_mm') | imports_of(ROOT / 'tools'):
        package = others.get(name) or PIP_NAMES.get(name, name)
        assert package.split('[')[0] in declared | {'ppnas_mm'}, name
    assert 'torchvision' in declared  # mmpretrain imports it and does not ask for it


@pytest.mark.parametrize(
    ('module', 'package', 'scope'),
    [
        ('ftfy', 'ftfy', 'mmseg'),
        ('torchvision', 'torchvision', 'mmpretrain'),
        ('cv2', 'opencv-python-headless', 'mmdet'),
    ],
)
def test_what_a_library_lacks_inside_of_it_is_named(module, package, scope):
    code = (
        f'import sys; sys.modules[{module!r}] = None\n'
        'from types import SimpleNamespace\nfrom ppnas_mm import cli\n'
        'def main():\n'
        '    from ppnas_mm.config.load import require_library\n'
        '    from mmengine.config import Config\n'
        f'    require_library(Config(dict(model={{}}, default_scope={scope!r})), "x")\n'
        'cli.run_tool(main)'
    )
    line = python(code)
    assert line.startswith('error: ') and f'pip install {package}' in line, line
