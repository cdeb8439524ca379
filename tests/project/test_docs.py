"""The site's pages, without the site's builder: nav, links, anchors, assets, the generated page."""

import re
import unicodedata
from html import unescape
from pathlib import Path

import pytest
import yaml
from pages import DOCS, ROOT
from tool import call

import ppnas_mm

FOLDER = ROOT / 'docs'
FRONT = (
    'README.md',
    'CONTRIBUTING.md',
    'CODE_OF_CONDUCT.md',
    'SECURITY.md',
    'CHANGELOG.md',
    'model_zoo/README.md',
)
FENCE = re.compile(r'^ *```.*?^ *```', re.M | re.S)


def settings() -> dict:
    return yaml.safe_load((ROOT / 'mkdocs.yml').read_text())


def pages_of(nav: list) -> list[str]:
    """The pages of a nav, in order."""
    found: list[str] = []
    for item in nav:
        value = next(iter(item.values())) if isinstance(item, dict) else item
        found += pages_of(value) if isinstance(value, list) else [value]
    return found


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as Python-Markdown names them."""
    found: set[str] = set()
    for heading in re.findall(r'^#+ (.+)$', FENCE.sub('', page.read_text()), re.M):
        text = re.sub(r'\[(.*?)\]\(.*?\)', r'\1', unescape(heading)).replace('`', '')
        text = unicodedata.normalize('NFKD', text).encode('ascii', 'ignore').decode()
        slug = re.sub(r'[-\s]+', '-', re.sub(r'[^\w\s-]', '', text).strip().lower())
        while slug in found:
            slug = slug[:-2] + f'_{int(slug[-1]) + 1}' if slug[-2] == '_' else f'{slug}_1'
        found.add(slug)
    return found


def test_the_nav_has_every_page_once() -> None:
    listed = pages_of(settings()['nav'])
    assert len(listed) == len(set(listed))
    assert {f'docs/{page}' for page in listed} == set(DOCS)


def test_there_are_four_kinds_of_pages_and_the_results() -> None:
    kinds = [next(iter(item)) for item in settings()['nav']]
    assert kinds == ['Home', 'Tutorials', 'How to', 'Reference', 'Explanation', 'Results']


@pytest.mark.parametrize('page', [*FRONT, *DOCS])
def test_links_and_anchors_lead_somewhere(page: str) -> None:
    path = ROOT / page
    text = FENCE.sub('', path.read_text())
    for target in re.findall(r'\]\(([^)\s]+)\)', text):
        if re.match(r'https?://', target):
            continue
        name, _, anchor = target.partition('#')
        file = path.parent / name if name else path
        assert file.exists(), f'{page}: {target}'
        if page.startswith('docs/'):  # the site holds nothing else
            assert FOLDER in file.resolve().parents, f'{page}: {target}'
        if anchor:
            assert anchor in anchors(file), f'{page}: {target}'


def test_every_picture_is_on_a_page() -> None:
    shown = '\n'.join((ROOT / page).read_text() for page in ('README.md', *DOCS))
    for picture in (FOLDER / 'images').iterdir():
        assert f'images/{picture.name})' in shown, picture


def test_the_site_loads_nothing_from_the_net() -> None:
    site = settings()
    assert site['theme']['font'] is False and site['strict'] is True
    names = [*site.get('extra_css', ()), *site.get('extra_javascript', ())]
    assert not [name for name in names if '://' in name]
    assert '://' not in (FOLDER / 'style.css').read_text()
    for page in DOCS:
        assert not re.search(
            r'!\[[^]]*\]\(\w+://|<(img|script|iframe)\b', (ROOT / page).read_text()
        )
    for picture in (FOLDER / 'images').glob('*.svg'):
        links = re.findall(r'(?:href|src)="(\w+://[^"]+)"|url\((\w+://)', picture.read_text())
        assert not links, picture


def test_pages_are_short() -> None:
    for page in DOCS:
        if page not in ('docs/reference/cli.md',):
            assert len((ROOT / page).read_text().splitlines()) < 250, page
    assert len((ROOT / 'README.md').read_text().splitlines()) < 120


def test_the_command_line_page_is_that_of_the_tools() -> None:
    assert call('docs.py', '--check') == 0, 'run python tools/docs.py'


def test_the_api_names_modules_that_exist_and_all_of_the_package() -> None:
    named = set()
    for page in DOCS:
        named |= set(re.findall(r'^::: ppnas_mm\.([\w.]+)$', (ROOT / page).read_text(), re.M))
    package = Path(ppnas_mm.__file__).parent
    for name in named:
        path = package / name.replace('.', '/')
        assert path.with_suffix('.py').is_file() or (path / '__init__.py').is_file(), name
    rooms = {p.parent.name for p in package.glob('*/__init__.py')}
    assert rooms == {name.split('.')[0] for name in named} - {'genotype', 'registry'}


def test_equations_are_latex_that_closes() -> None:
    for page in DOCS:
        for equation in re.findall(r'^```math\n(.*?)^```$', (ROOT / page).read_text(), re.M | re.S):
            assert equation.count('{') == equation.count('}'), page
            assert equation.count(r'\left') == equation.count(r'\right'), page
            assert '\n\n' not in equation, page


def test_the_makefile_builds_the_site_strictly_and_ci_runs_it() -> None:
    makefile = (ROOT / 'Makefile').read_text()
    assert re.search(r'^docs: .*\n\t.*mkdocs build --strict$', makefile, re.M)
    jobs = yaml.safe_load((ROOT / '.github/workflows/ci.yml').read_text())['jobs']
    commands = [step.get('run') for job in jobs.values() for step in job['steps']]
    assert {'make test', 'make docs'} <= set(commands)


@pytest.mark.parametrize('name', ['bug', 'feature', 'question'])
def test_issue_templates_are_forms(name: str) -> None:
    form = yaml.safe_load((ROOT / f'.github/ISSUE_TEMPLATE/{name}.yml').read_text())
    assert {'name', 'description', 'body'} <= form.keys()
    for field in form['body']:
        assert (
            field['type'] in ('textarea', 'dropdown', 'checkboxes') and field['attributes']['label']
        )


def test_pages_that_sources_name_exist() -> None:
    for folder in ('ppnas_mm', 'tools', 'tests'):
        for path in (ROOT / folder).rglob('*.py'):
            for name in re.findall(r'docs/[\w/]+\.md', path.read_text()):
                assert (ROOT / name).is_file(), f'{path}: {name}'
