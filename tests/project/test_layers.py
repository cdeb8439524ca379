"""The house: which room may import which, and what stands at the root."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ppnas_mm
from ppnas_mm import registry

ROOT = Path(ppnas_mm.__file__).parent
FILES = {
    '.'.join(['ppnas_mm', *path.relative_to(ROOT).with_suffix('').parts]): path
    for path in sorted(ROOT.rglob('*.py'))
    if '.mim' not in path.parts
}
MODULES = {name.removesuffix('.__init__') for name in FILES}
FLOORS = (
    ('version', 'utils'),
    ('genotype', 'config', 'heads'),
    ('layers', 'datasets', 'visualize', 'weights', 'tables'),
    ('backbones', 'inference'),
    ('spaces', 'convert'),
    ('costs',),
    ('algorithms',),
    ('engine',),
    ('analysis', 'zoo'),
    ('benchmarks', 'study'),
    ('registry',),
    ('cli',),
    ('__main__', '__init__'),
)
"""Rooms and root modules, from the ground up; a room imports rooms of lower floors only."""
INNER = {
    'algorithms': ('cdarts', 'eoinas', 'one_shot'),
    'benchmarks': ('gpu_check',),
}
"""Rooms inside of a room: they import its files, but its files do not import them."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
STANDARD_LIBRARY_ONLY = ('ppnas_mm.genotype', 'ppnas_mm.utils.files', 'ppnas_mm.version')
LIBRARIES = ('mmdet', 'mmseg', 'mmpretrain')


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
        elif isinstance(node, ast.Constant) and str(node.value) in MODULES - {'ppnas_mm'}:
            yield node.value  # the name of a module that something imports later


def ours(module: str) -> set[str]:
    return {n for n in imported(module) if below(n, 'ppnas_mm')}


def below(name: str, package: str) -> bool:
    return name == package or name.startswith(package + '.')


def room(module: str) -> str:
    return '__init__' if module == 'ppnas_mm' else module.split('.')[1]


def inner(module: str) -> str:
    """The room inside of a room that a module is in, or nothing."""
    parts = module.split('.')
    return parts[2] if len(parts) > 2 and parts[2] in INNER.get(parts[1], ()) else ''


def members(package: str) -> list[str]:
    found = [name for name in FILES if room(name) == package]
    assert found, f'{package} is gone'
    return found


def test_the_root_holds_five_modules_and_the_house_at_most_24_rooms() -> None:
    assert {path.stem for path in ROOT.glob('*.py')} == {
        '__init__',
        '__main__',
        'genotype',
        'registry',
        'version',
    }
    assert set(FLOOR) == {room(name) for name in FILES}
    installed_beside = 'ppnas_mm.cli.entry'  # as the package `ppnas`
    rooms = {name.rpartition('.')[0] for name in FILES} - {'ppnas_mm', installed_beside}
    assert len(rooms) <= 24


@pytest.mark.parametrize('package', FLOOR)
def test_imports_point_downwards(package: str) -> None:
    for module in members(package):
        for name in ours(module):
            assert room(name) == package or FLOOR[room(name)] < FLOOR[package], (module, name)


@pytest.mark.parametrize('package', INNER)
def test_files_of_a_room_do_not_know_the_rooms_inside_of_it(package: str) -> None:
    for module in members(package):
        if module == f'ppnas_mm.{package}.__init__':
            continue
        for name in ours(module):
            if room(name) == package and inner(name):
                assert inner(module) == inner(name), (module, name)


def test_no_circle_of_files() -> None:
    graph = {
        name: {n for n in ours(file) if n not in ('ppnas_mm', name)}
        for file in FILES
        for name in [file.removesuffix('.__init__')]
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, ' -> '.join([*path[path.index(name) :], name])
        if name in done:
            return
        for other in graph.get(name, ()):
            visit(other, (*path, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_the_registries_find_their_classes_where_the_top_says() -> None:
    for kind, rooms in registry.ROOMS.items():
        for place in rooms:
            assert FLOOR[place] < FLOOR['registry'], (kind, place)
    named = [*registry.BACKBONES.values(), *registry.HEADS.values()]
    assert set(named) <= MODULES


@pytest.mark.parametrize('module', STANDARD_LIBRARY_ONLY)
def test_light_modules_need_only_the_standard_library(module: str) -> None:
    for name in imported(module):
        assert below(name, 'ppnas_mm') or name.split('.')[0] in sys.stdlib_module_names, name


@pytest.mark.parametrize('package', ['backbones', 'spaces', 'algorithms'])
def test_no_library_is_needed_for_networks_and_searches(package: str) -> None:
    for module in members(package):
        assert not [n for n in imported(module) if any(below(n, lib) for lib in LIBRARIES)]


def test_spaces_and_algorithms_do_not_know_each_other() -> None:
    """An algorithm knows what every space has in common, and no single space."""
    common = {'super_net', 'mixture', 'mixed', 'expansion'}
    for module in members('algorithms'):
        spaces = {n.split('.')[2] for n in ours(module) if n.startswith('ppnas_mm.spaces.')}
        assert spaces <= common, module


def test_the_scan_sees_imports() -> None:
    assert 'ppnas_mm.utils.files' in set(imported('ppnas_mm.genotype'))
    assert 'ppnas_mm.spaces.super_net' in set(imported('ppnas_mm.algorithms.base'))
    assert 'torch' in set(imported('ppnas_mm.spaces.ppconv'))
