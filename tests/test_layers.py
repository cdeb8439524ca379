"""Who may import whom: spaces and algorithms do not know each other; light modules stay light."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ppnas_mm

ROOT = Path(ppnas_mm.__file__).parent
FILES = {
    '.'.join(['ppnas_mm', *path.relative_to(ROOT).with_suffix('').parts]): path
    for path in sorted(ROOT.rglob('*.py'))
    if '.mim' not in path.parts
}
MODULES = {name.removesuffix('.__init__') for name in FILES}


def imported(module: str) -> Iterator[str]:
    """Modules that a module imports anywhere in its text, by absolute name."""
    package = module.split('.')[:-1]
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = '.'.join([*base, *(node.module or '').split('.')]).strip('.')
            for alias in node.names:
                inner = f'{source}.{alias.name}'
                yield inner if inner in MODULES else source


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + '.')


# package or module: the modules of this project that it may import
ALLOWED = {
    'ppnas_mm.__init__': (
        'ppnas_mm.registry',
        'ppnas_mm.genotype',
        'ppnas_mm.version',
        'ppnas_mm.zoo',
    ),
    'ppnas_mm.fileio': (),
    'ppnas_mm.version': (),
    'ppnas_mm.genotype': ('ppnas_mm.fileio',),
    'ppnas_mm.registry': ('ppnas_mm.compat',),
    'ppnas_mm.compat': (),
    'ppnas_mm.deploy': ('ppnas_mm.compat', 'ppnas_mm.custom_conv'),
    'ppnas_mm.custom_conv': (),
    'ppnas_mm.feature_maps': (),
    'ppnas_mm.depthwise': (),
    'ppnas_mm.ops': (
        'ppnas_mm.compat',
        'ppnas_mm.custom_conv',
        'ppnas_mm.deploy',
        'ppnas_mm.feature_maps',
        'ppnas_mm.genotype',
    ),
    'ppnas_mm.backbones': (
        'ppnas_mm.backbones',
        'ppnas_mm.custom_conv',
        'ppnas_mm.deploy',
        'ppnas_mm.feature_maps',
        'ppnas_mm.genotype',
        'ppnas_mm.ops',
        'ppnas_mm.registry',
        'ppnas_mm.weights',
        'ppnas_mm.zoo',
    ),
    'ppnas_mm.checksums': (),
    'ppnas_mm.weights': (
        'ppnas_mm.checksums',
        'ppnas_mm.download',
        'ppnas_mm.genotype',
        'ppnas_mm.zoo',
    ),
    'ppnas_mm.zoo_index': ('ppnas_mm.fileio', 'ppnas_mm.genotype'),
    'ppnas_mm.selection': ('ppnas_mm.spaces.mixture',),
    'ppnas_mm.costs': (
        'ppnas_mm.fileio',
        'ppnas_mm.spaces.base',
        'ppnas_mm.spaces.mixed',
        'ppnas_mm.spaces.mixture',
    ),
    'ppnas_mm.averaging': (),
    'ppnas_mm.statistics': (),
    'ppnas_mm.benchmarks': (
        'ppnas_mm.benchmarks',
        'ppnas_mm.algorithms',
        'ppnas_mm.averaging',
        'ppnas_mm.compat',
        'ppnas_mm.config',
        'ppnas_mm.config_keys',
        'ppnas_mm.deploy',
        'ppnas_mm.fileio',
        'ppnas_mm.latency',
        'ppnas_mm.registry',
        'ppnas_mm.report',
        'ppnas_mm.spaces',
        'ppnas_mm.version',
    ),
    'ppnas_mm.mmdet_parts': ('ppnas_mm.compat',),
    'ppnas_mm.mmpretrain_parts': ('ppnas_mm.compat',),
    'ppnas_mm.mmseg_parts': ('ppnas_mm.compat',),
    'ppnas_mm.spaces': (
        'ppnas_mm.spaces',
        'ppnas_mm.backbones',
        'ppnas_mm.depthwise',
        'ppnas_mm.feature_maps',
        'ppnas_mm.genotype',
        'ppnas_mm.ops',
        'ppnas_mm.registry',
    ),
    'ppnas_mm.algorithms': (
        'ppnas_mm.algorithms',
        'ppnas_mm.averaging',
        'ppnas_mm.spaces.base',
        'ppnas_mm.spaces.mixture',
        'ppnas_mm.costs',
        'ppnas_mm.genotype',
        'ppnas_mm.registry',
        'ppnas_mm.selection',
        'ppnas_mm.statistics',
    ),
}
STANDARD_LIBRARY_ONLY = ('ppnas_mm.genotype', 'ppnas_mm.fileio', 'ppnas_mm.version')
LIBRARIES = ('mmdet', 'mmseg', 'mmpretrain')


def members(package: str) -> list[str]:
    found = [name for name in FILES if below(name, package)]
    assert found, f'{package} is gone'
    return found


@pytest.mark.parametrize('package', ALLOWED)
def test_dependencies_point_downwards(package: str) -> None:
    for module in members(package):
        own = [name for name in imported(module) if below(name, 'ppnas_mm')]
        wrong = [n for n in own if not any(below(n, allowed) for allowed in ALLOWED[package])]
        assert not wrong, f'{module} imports {wrong}'


@pytest.mark.parametrize('module', STANDARD_LIBRARY_ONLY)
def test_light_modules_need_only_the_standard_library(module: str) -> None:
    for name in imported(module):
        assert below(name, 'ppnas_mm') or name.split('.')[0] in sys.stdlib_module_names, name


@pytest.mark.parametrize(
    'package', ['ppnas_mm.backbones', 'ppnas_mm.spaces', 'ppnas_mm.algorithms']
)
def test_no_library_is_needed_for_networks_and_searches(package: str) -> None:
    for module in members(package):
        assert not [n for n in imported(module) if any(below(n, lib) for lib in LIBRARIES)]


def test_only_tools_and_the_gpu_check_import_the_benchmarks() -> None:
    for module in FILES:
        assert below(module, 'ppnas_mm.gpu_check') or not [
            n for n in imported(module) if below(n, 'ppnas_mm.gpu_check')
        ], module
        if not below(module, 'ppnas_mm.benchmarks') and not below(module, 'ppnas_mm.gpu_check'):
            assert not [n for n in imported(module) if below(n, 'ppnas_mm.benchmarks')], module


def test_the_scan_sees_imports() -> None:
    assert 'ppnas_mm.fileio' in set(imported('ppnas_mm.genotype'))
    assert 'ppnas_mm.spaces.base' in set(imported('ppnas_mm.algorithms.base'))
    assert 'torch' in set(imported('ppnas_mm.spaces.ppconv'))
