"""Backbones from the configs of three libraries, and what ``import ppnas_mm`` brings along.

Each check runs in a fresh interpreter, because imports leave traces; they run side by side.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARIES = ('mmpretrain', 'mmdet', 'mmseg')
ROOT = Path(__file__).parents[2]

SCOPED = """
from ppnas_mm_guard import guard
guard()
from {library}.registry import MODELS
import sys
assert 'ppnas_mm' not in sys.modules
for name, depth in (('PPResNet', 50), ('PPResNetCIFAR', 11)):
    config = dict(type='ppnas_mm.' + name, depth=depth, base_channels=8, out_indices=(1, 2))
    net = MODELS.build(config)
    assert type(net).__name__ == name and net.out_channels == [64, 128], net.out_channels
net = MODELS.build(dict(type='ppnas_mm.PPConvSuperNet', depth=20, base_channels=8))
assert type(net).__name__ == 'PPConvSuperNet'
for name, more in (('DARTSNet', dict(arch='darts_v2')), ('DARTSSuperNet', dict())):
    config = dict(type='ppnas_mm.' + name, num_cells=3, init_channels=4, **more)
    net = MODELS.build(config)
    assert type(net).__name__ == name and net.out_channels == [16, 32, 64], net.out_channels
print('done')
"""

BARE = """
import sys
from ppnas_mm_guard import guard
guard()
from mmengine.config import Config
config = Config.fromfile(sys.argv[1])
for library in {libraries!r}:
    MODELS = __import__(library + '.registry', fromlist=['MODELS']).MODELS
    net = MODELS.build(config.backbone)
    assert type(net).__name__ == 'PPResNet' and net.norm_eval, library
    assert type(MODELS.build(dict(type='PPResNetCIFAR', depth=11))).__name__ == 'PPResNetCIFAR'
print('done')
"""

CONFIG = """
custom_imports = dict(imports=['ppnas_mm'], allow_failed_imports=False)
backbone = dict(type='PPResNet', depth=50, base_channels=8, norm_eval=True)
"""

LIGHT = """
import sys
import ppnas_mm
heavy = {'mmdet', 'mmseg', 'mmpretrain', 'mmcv', 'torchvision', 'sklearn', 'matplotlib'}
print(sorted(heavy & set(sys.modules)) or 'done')
assert ppnas_mm.__version__ and len(ppnas_mm.published()) >= 8
assert ppnas_mm.Genotype.load('pp_resnet_imagenet').space == 'ppconv'
"""

# the guard of ppnas_mm.utils.compat, loaded without importing ppnas_mm
GUARD = f"""
import importlib.util
path = {str(ROOT / 'ppnas_mm/utils/compat.py')!r}
spec = importlib.util.spec_from_file_location('guard_module', path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
guard = module.guard_torchvision
"""


@pytest.fixture(scope='module')
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen]]:
    folder = tmp_path_factory.mktemp('registration')
    (folder / 'ppnas_mm_guard.py').write_text(GUARD)
    (folder / 'config.py').write_text(CONFIG)
    scripts = {library: SCOPED.format(library=library) for library in LIBRARIES}
    scripts.update(bare=BARE.format(libraries=LIBRARIES), light=LIGHT)
    path = os.pathsep.join([str(ROOT), str(folder), os.environ.get('PYTHONPATH', '')])
    running = {
        name: subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', script, str(folder / 'config.py')],
            env={**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, script in scripts.items()
    }
    yield running
    for process in running.values():
        process.kill()


def finish(process: subprocess.Popen) -> None:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-2000:]
    assert out.split('\n')[-2] == 'done', out[-2000:]


def test_importing_the_package_imports_no_library(processes: dict) -> None:
    finish(processes['light'])


@pytest.mark.parametrize('library', LIBRARIES)
def test_scoped_names_need_no_import(library: str, processes: dict) -> None:
    finish(processes[library])


def test_bare_names_need_only_custom_imports(processes: dict) -> None:
    finish(processes['bare'])
