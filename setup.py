"""Packaging; also puts configs, tools, model_zoo and model-index.yml into ``ppnas_mm/.mim``."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MIM = ('configs', 'tools', 'model_zoo', 'model-index.yml')
ONEDL = [
    'onedl-mmengine>=0.10.12',
    'onedl-mmcv>=2.3.6',
    'onedl-mmpretrain>=1.3.6',
    'onedl-mmdetection>=3.5.1',
    'onedl-mmsegmentation>=1.4.2',
]


class BuildPyWithMim(build_py):
    """Adds ``.mim``: links to the checkout for editable installs, copies for wheels."""

    def run(self) -> None:
        """Build, then fill ``.mim``."""
        super().run()
        base = ROOT if self.editable_mode else Path(self.build_lib)
        target = base / 'ppnas_mm' / '.mim'
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in MIM:
            source = ROOT / name
            if not source.exists():
                continue
            if self.editable_mode:
                (target / name).symlink_to(Path('..', '..', name), source.is_dir())
            elif source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns('__pycache__'))
            else:
                shutil.copy2(source, target / name)


line = (ROOT / 'ppnas_mm' / 'version.py').read_text().split('__version__ = ')[1]
setup(
    name='ppnas_mm',
    version=line.strip().strip("'"),
    description='Searched backbones and their searches as OpenMMLab components',
    long_description=(ROOT / 'README.md').read_text() if (ROOT / 'README.md').exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['ppnas_mm', 'ppnas_mm.*']),
    package_data={'ppnas_mm': ['py.typed', 'genotypes/*.json']},
    python_requires='>=3.10',
    install_requires=[
        *('torch>=2.4', 'numpy', 'scikit-learn', 'safetensors', 'matplotlib'),
        *('requests', 'filelock', 'rich'),
    ],
    extras_require={
        'onedl': ONEDL,
        'export': ['onnx', 'onnxruntime'],
        'dev': ['pytest', 'pytest-xdist', 'hypothesis', 'ruff', 'mypy', 'tensorboard'],
    },
    cmdclass={'build_py': BuildPyWithMim},
)
