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
    'ppnas_mm.utils.files': (),
    'ppnas_mm.version': (),
    'ppnas_mm.genotype': ('ppnas_mm.utils.files',),
    'ppnas_mm.registry': ('ppnas_mm.utils.compat',),
    'ppnas_mm.utils.compat': (),
    'ppnas_mm.layers.deploy': ('ppnas_mm.utils.compat', 'ppnas_mm.layers.custom_conv'),
    'ppnas_mm.layers.custom_conv': (),
    'ppnas_mm.layers.memory_layout': (),
    'ppnas_mm.layers.depthwise': (),
    'ppnas_mm.layers.ops': (
        'ppnas_mm.utils.compat',
        'ppnas_mm.layers.custom_conv',
        'ppnas_mm.layers.deploy',
        'ppnas_mm.layers.memory_layout',
        'ppnas_mm.genotype',
    ),
    'ppnas_mm.backbones': (
        'ppnas_mm.backbones',
        'ppnas_mm.layers.custom_conv',
        'ppnas_mm.layers.deploy',
        'ppnas_mm.layers.memory_layout',
        'ppnas_mm.genotype',
        'ppnas_mm.layers.ops',
        'ppnas_mm.registry',
        'ppnas_mm.weights.checkpoint',
        'ppnas_mm.zoo',
    ),
    'ppnas_mm.utils.checksums': (),
    'ppnas_mm.weights.checkpoint': (
        'ppnas_mm.utils.checksums',
        'ppnas_mm.weights.download',
        'ppnas_mm.genotype',
        'ppnas_mm.zoo',
    ),
    'ppnas_mm.weights.index': ('ppnas_mm.utils.files', 'ppnas_mm.genotype'),
    'ppnas_mm.algorithms.selection': ('ppnas_mm.spaces.mixture',),
    'ppnas_mm.costs.table': (
        'ppnas_mm.utils.files',
        'ppnas_mm.spaces.super_net',
        'ppnas_mm.spaces.mixed',
        'ppnas_mm.spaces.mixture',
    ),
    'ppnas_mm.utils.distributed': (),
    'ppnas_mm.utils.batch_norm': (),
    'ppnas_mm.benchmarks': (
        'ppnas_mm.benchmarks',
        'ppnas_mm.algorithms',
        'ppnas_mm.utils.distributed',
        'ppnas_mm.utils.compat',
        'ppnas_mm.config.load',
        'ppnas_mm.config.keys',
        'ppnas_mm.layers.deploy',
        'ppnas_mm.utils.files',
        'ppnas_mm.costs.latency',
        'ppnas_mm.registry',
        'ppnas_mm.utils.tables',
        'ppnas_mm.spaces',
        'ppnas_mm.version',
    ),
    'ppnas_mm.mmdet_parts': ('ppnas_mm.utils.compat',),
    'ppnas_mm.mmpretrain_parts': ('ppnas_mm.utils.compat',),
    'ppnas_mm.mmseg_parts': ('ppnas_mm.utils.compat',),
    'ppnas_mm.spaces': (
        'ppnas_mm.spaces',
        'ppnas_mm.backbones',
        'ppnas_mm.layers.depthwise',
        'ppnas_mm.layers.memory_layout',
        'ppnas_mm.genotype',
        'ppnas_mm.layers.ops',
        'ppnas_mm.registry',
    ),
    'ppnas_mm.algorithms': (
        'ppnas_mm.algorithms',
        'ppnas_mm.utils.distributed',
        'ppnas_mm.spaces.super_net',
        'ppnas_mm.spaces.mixture',
        'ppnas_mm.costs.table',
        'ppnas_mm.genotype',
        'ppnas_mm.registry',
        'ppnas_mm.algorithms.selection',
        'ppnas_mm.utils.batch_norm',
    ),
}
STANDARD_LIBRARY_ONLY = ('ppnas_mm.genotype', 'ppnas_mm.utils.files', 'ppnas_mm.version')
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
        assert below(module, 'ppnas_mm.benchmarks.gpu_check') or not [
            n for n in imported(module) if below(n, 'ppnas_mm.benchmarks.gpu_check')
        ], module
        if not below(module, 'ppnas_mm.benchmarks') and not below(
            module, 'ppnas_mm.benchmarks.gpu_check'
        ):
            assert not [n for n in imported(module) if below(n, 'ppnas_mm.benchmarks')], module


def test_the_scan_sees_imports() -> None:
    assert 'ppnas_mm.utils.files' in set(imported('ppnas_mm.genotype'))
    assert 'ppnas_mm.spaces.super_net' in set(imported('ppnas_mm.algorithms.base'))
    assert 'torch' in set(imported('ppnas_mm.spaces.ppconv'))
