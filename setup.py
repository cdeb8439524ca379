"""Packaging; also puts configs, tools, model_zoo and model-index.yml into ``ppnas_mm/.mim``."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MIM = ('configs', 'tools', 'model_zoo', 'model-index.yml')
ABOUT = dict(re.findall(r"^(\w+) = '(.*)'$", (ROOT / 'ppnas_mm/version.py').read_text(), re.M))
HOME = ABOUT['HOME']
ONEDL = [
    'onedl-mmengine>=0.10.12',
    'onedl-mmcv>=2.3.6',
    'onedl-mmpretrain>=1.3.6',
    'onedl-mmdetection>=3.5.1',
    'onedl-mmsegmentation>=1.4.2',
    *('ftfy', 'regex'),  # mmseg imports them and does not ask for them
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


def long_description() -> str:
    """Return the README with its links and pictures made absolute, as an index shows it alone."""
    text = (ROOT / 'README.md').read_text()
    text = re.sub(r'!\[([^]]*)\]\((?!https?:)([^)]+)\)', rf'![\1]({HOME}/raw/main/\2)', text)
    return re.sub(r'(?<!!)\[([^]]*)\]\((?![a-z]+:|#)([^)]+)\)', rf'[\1]({HOME}/blob/main/\2)', text)


setup(
    name='ppnas_mm',
    version=ABOUT['__version__'],
    description='Searched backbones and their searches as OpenMMLab components',
    long_description=long_description(),
    long_description_content_type='text/markdown',
    author='The ppnas_mm contributors',
    url=HOME,
    project_urls={
        'Documentation': f'{HOME}/tree/main/docs',
        'Changes': f'{HOME}/blob/main/CHANGELOG.md',
        'PP-NAS': 'https://doi.org/10.1109/TNNLS.2023.3264551',
        'CDARTS': 'https://doi.org/10.1109/TPAMI.2022.3153065',
        'EoiNAS': 'https://doi.org/10.1109/TNNLS.2021.3072950',
        'SE-NAS': 'https://doi.org/10.1016/j.patcog.2021.108025',
    },
    license='Apache-2.0',
    keywords='neural architecture search, OpenMMLab, backbone, detection, segmentation',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in (10, 11, 12)),
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    # the command `ppnas` is a top-level package, whose import does not import mmengine and torch
    packages=[*find_packages(include=['ppnas_mm', 'ppnas_mm.*']), 'ppnas'],
    package_dir={'ppnas': 'ppnas_mm/cli/entry'},
    entry_points={'console_scripts': ['ppnas = ppnas:main']},
    package_data={
        'ppnas_mm': ['py.typed', 'genotypes/*.json', 'papers/*.yml', 'visualize/report.*']
    },
    python_requires='>=3.10',
    install_requires=[
        *('torch>=2.4', 'torchvision', 'numpy', 'scipy', 'scikit-learn', 'safetensors'),
        *('matplotlib', 'Pillow', 'PyYAML', 'requests', 'filelock', 'rich'),
    ],
    extras_require={
        'onedl': ONEDL,
        'hub': ['huggingface_hub'],
        'export': ['onnx', 'onnxruntime'],
        'dev': ['pytest', 'pytest-xdist', 'hypothesis', 'ruff', 'mypy', 'tensorboard'],
    },
    cmdclass={'build_py': BuildPyWithMim},
)
