"""A search can be followed through 8 files and 600 lines, which how_a_search_runs.md names."""

import ast
import re

from tool import ROOT


def length(path, name):
    """Lines of a function or class, decorators included."""
    nodes = {'': ast.parse((ROOT / path).read_text())}
    for part in name.split('.'):
        nodes = {n.name: n for n in next(iter(nodes.values())).body if hasattr(n, 'name')}
        nodes = {part: nodes[part]}
    node = nodes[name.split('.')[-1]]
    return node.end_lineno - node.lineno + 1 + len(node.decorator_list)


def test_the_reading_path_is_short():
    text = (ROOT / 'docs/explanation/how_a_search_runs.md').read_text()
    section = text.split('## Reading order')[1].split('\n## ')[0]
    rows = re.findall(r'^\| `([\w/.]+\.py)` \| (.+?) \|', section, re.M)
    assert 1 <= len(rows) <= 8
    lines = sum(length(path, name) for path, names in rows for name in re.findall('`(.+?)`', names))
    assert 200 < lines <= 600


def test_the_picture_shows_the_files_of_the_reading_path():
    text = (ROOT / 'docs/explanation/how_a_search_runs.md').read_text()
    picture = (ROOT / 'docs/images/how_a_search_runs.svg').read_text()
    named = set(re.findall(r'>([\w/]+\.py)<', picture))
    for file in named:
        assert (ROOT / 'ppnas_mm' / file).is_file(), file
    inner = {'algorithms/base.py', 'spaces/super_net.py'}  # shown by their functions
    for path in re.findall(r'^\| `([\w/.]+\.py)` \|', text, re.M):
        file = path.removeprefix('ppnas_mm/')
        assert file in named | inner, path
    for owner, name in re.findall(r'>(\w+)\.(\w+)<', picture):
        if owner in ('SearchAlgorithm', 'SuperNet', 'PPConvSuperNet', 'MixedPPConv', 'Relaxed'):
            sources = (p.read_text() for p in (ROOT / 'ppnas_mm').rglob('*.py'))
            assert any(f'class {owner}' in s and f'def {name}(' in s for s in sources), owner
