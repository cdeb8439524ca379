"""docs/design.md promises that a search can be followed through 8 files and 600 lines."""

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
    text = (ROOT / 'docs/design.md').read_text()
    section = text.split('## From the command line')[1].split('\n## ')[0]
    rows = re.findall(r'^\| `([\w/.]+\.py)` \| (.+?) \|', section, re.M)
    assert 1 <= len(rows) <= 8
    lines = sum(length(path, name) for path, names in rows for name in re.findall('`(.+?)`', names))
    assert 200 < lines <= 600
