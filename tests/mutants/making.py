"""Mutants of the package's files: where cosmic-ray's operators may change one thing."""

from __future__ import annotations

import ast
import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider

ROOMS = ('algorithms', 'spaces', 'layers', 'costs', 'weights')
TESTS = (*ROOMS, 'backbones')
"""Rooms whose tests are to notice: those of backbones hold some of the layers."""
PROVIDER = OperatorProvider()
OPERATORS = {name: PROVIDER[name] for name in PROVIDER if not PROVIDER[name].arguments()}
KINDS = (
    {'Add', 'Sub', 'Mul', 'Div', 'FloorDiv', 'Mod', 'Pow'},
    {'BitOr', 'BitAnd', 'BitXor'},
    {'Eq', 'NotEq', 'Lt', 'LtE', 'Gt', 'GtE'},
    {'Is', 'IsNot'},
)
"""An operator takes the place of one of its kind: others mostly raise a TypeError."""


class Place(NamedTuple):
    """One thing in a file that may be changed, in any of some ways."""

    file: str
    line: int
    column: int
    family: str
    ways: tuple[tuple[str, int], ...]
    """Pairs of an operator and its occurrence in the file."""


class Mutant(NamedTuple):
    """A file with one thing changed."""

    file: str
    line: int
    family: str
    before: str
    after: str
    text: str

    @property
    def key(self) -> str:
        """A name that stays while the file does."""
        return hashlib.sha256(f'{self.file}\n{self.text}'.encode()).hexdigest()[:16]


def families() -> dict[str, list[str]]:
    """Names of the operators that change one kind of thing, by family."""
    found = defaultdict(list)
    for name in OPERATORS:
        family, *kinds = name.split('_')
        if 'Operator' in family and 'Unary' not in family:
            if not any(set(kinds) <= kind for kind in KINDS):
                continue
            name_of_kind = f'{family}_{kinds[0]}'
        else:
            name_of_kind = family
        found[name_of_kind].append(name)
    return found


def places(root: Path) -> Iterator[Place]:
    """Every place of the rooms' files."""
    for path in sorted(p for room in ROOMS for p in (root / 'ppnas_mm' / room).rglob('*.py')):
        nodes = list(ast_nodes(get_ast(path.read_text())))
        for family, names in families().items():
            ways = defaultdict(list)
            for name in names:
                operator = OPERATORS[name]()
                positions = (p for node in nodes for p in operator.mutation_positions(node))
                for occurrence, (start, _) in enumerate(positions):
                    ways[start].append((name, occurrence))
            for (line, column), found in ways.items():
                yield Place(str(path.relative_to(root)), line, column, family, tuple(found))


def sample(root: Path, seed: int) -> Iterator[Mutant]:
    """Mutants in an order of chance, at most one a place, so that each beginning is a sample."""
    chance = random.Random(seed)
    everywhere = sorted(places(root))
    chance.shuffle(everywhere)
    for place in everywhere:
        source = (root / place.file).read_text()
        text = mutate_code(source, *_way(place, chance))
        if text and _differs(source, text):
            pairs = zip(source.splitlines(), text.splitlines(), strict=False)
            before, after = next((p for p in pairs if p[0] != p[1]), ('', ''))
            if before.replace('strict=True', 'strict=False') == after:
                continue  # an assertion of the code's own: what is of one length stays so
            family = place.family.split('_')[0]
            yield Mutant(place.file, place.line, family, before.strip(), after.strip(), text)


def _way(place: Place, chance: random.Random) -> tuple:
    name, occurrence = chance.choice(place.ways)
    return OPERATORS[name](), occurrence


class _Bare(ast.NodeTransformer):
    """Takes the annotations away, which nothing evaluates."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        self.generic_visit(node)
        return node


def _differs(source: str, text: str) -> bool:
    """Whether a text compiles and computes something else."""
    try:
        plain, mutated = (ast.dump(_Bare().visit(ast.parse(t))) for t in (source, text))
    except SyntaxError:
        return False
    return plain != mutated


def definition(source: str, line: int) -> range:
    """Lines of the innermost function or class around a line, or of the whole file."""
    best = range(1, source.count('\n') + 2)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            lines = range(start, (node.end_lineno or start) + 1)
            if line in lines and len(lines) < len(best):
                best = lines
    return best
