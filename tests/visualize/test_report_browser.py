"""The report in a real browser: no errors, nothing from the network, fits a phone, can be used."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from browser import Browser, browser, chromium
from reports import SPACES, search, write

from ppnas_mm.visualize.report import write_report

pytestmark = pytest.mark.skipif(chromium() is None, reason='no Chromium on this machine')
EACH = pytest.mark.parametrize('space', SPACES)


@pytest.fixture(scope='module')
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp('profile')) as tab:
        yield tab


@pytest.fixture(scope='module')
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("it's a work dir")
    return {space: write_report(write(folder / space, search(space))) for space in SPACES}


def opened(tab: Browser, page: Path, width: int = 1280, **look: str | bool) -> None:
    tab.look(width, **look)  # type: ignore[arg-type]
    tab.errors.clear()
    tab.open(page)


@EACH
@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [360, 1280])
def test_it_fits(space: str, scheme: str, width: int, tab: Browser, pages: dict) -> None:
    opened(tab, pages[space], width, scheme=scheme)
    tab.value("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert tab.value('document.documentElement.scrollWidth') <= width
    shade = tab.value('getComputedStyle(document.body).backgroundColor')
    assert shade == ('rgb(255, 255, 255)' if scheme == 'light' else 'rgb(20, 24, 29)')
    assert not tab.errors
    # no text of the picture leaves its page
    outside = """[...document.querySelectorAll('#cells text')].filter((text) => {
      const box = text.getBoundingClientRect();
      return box.left < 0 || box.right > innerWidth; }).length"""
    assert tab.value(outside) == 0


@EACH
def test_the_slider_changes_the_picture(space: str, tab: Browser, pages: dict) -> None:
    opened(tab, pages[space])
    picture = "document.getElementById('cells').innerHTML"
    seen = [tab.value(picture)]
    assert tab.value("document.getElementById('shown').textContent") == 'result'
    tab.value("document.getElementById('epoch').focus()")
    for text in ('6 of 6', '5 of 6', '4 of 6'):
        tab.press('ArrowLeft')
        assert tab.value("document.getElementById('shown').textContent") == text
        seen.append(tab.value(picture))
    tab.press('Home')
    assert tab.value("document.getElementById('shown').textContent") == '1 of 6'
    assert len({*seen, tab.value(picture)}) == 5
    assert not tab.errors


@EACH
def test_the_picture_names_the_strongest(space: str, tab: Browser, pages: dict) -> None:
    opened(tab, pages[space])
    record = search(space)
    tab.value('show(2)')
    texts = "[...document.querySelectorAll('#cells text')].map((t) => t.textContent)"
    shown = [text for text in tab.value(texts) if '_' in text or text in ('identity', 'none')]
    ops = {n: c['candidates'] for n, c in record['choices'].items() if not c['gates']}
    shares = record['epochs'][2]['architecture']
    assert shown == [op[shares[n].index(max(shares[n]))] for n, op in ops.items()]
    arcs = tab.value("document.querySelectorAll('#cells path.arc').length")
    gates = [v for n, c in record['choices'].items() if c['gates'] for v in shares[n]]
    wanted = gates or [1.0] * len(ops)
    assert arcs == sum(2 if v > 0.1 else 1 for v in wanted)  # a head where it is on


def test_hover_shows_values_and_a_click_moves_the_slider(tab: Browser, pages: dict) -> None:
    opened(tab, pages['mobile'])
    tab.value("document.querySelector('.chart svg').scrollIntoView({behavior: 'instant'})")
    box = tab.value("""(() => { const box = document.querySelector('.chart svg')
      .getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; })()""")
    x, y = box[0] + 52 + (box[2] - 64) * 2 / 5, box[1] + box[3] / 2  # the third of six epochs
    tab('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)
    assert tab.value("document.querySelector('.chart h3').textContent") == 'Losses, epoch 3'
    assert tab.value("document.querySelector('.chart b').textContent") == '1'  # 3 / 3
    for kind in ('mousePressed', 'mouseReleased'):
        tab('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)
    assert tab.value("document.getElementById('shown').textContent") == '3 of 6'


def test_settings_are_found_and_commands_name_the_folder(tab: Browser, pages: dict) -> None:
    opened(tab, pages['ppconv'])
    tab.value("""(() => { const find = document.getElementById('find');
      find.value = 'MAX_EPOCHS'; find.dispatchEvent(new Event('input')); })()""")
    assert tab.value("document.getElementById('hits').textContent") == '1 of 2'
    code = tab.value("document.querySelector('#steps ~ .step code').textContent")
    folder = str(pages['ppconv'].parent).replace("'", "'\\''")
    assert f"'{folder}'/genotype.json" in code
    assert tab.value("document.querySelectorAll('.step .copy').length") == tab.value(
        "document.querySelectorAll('.step').length"
    )


def test_tables_are_there_without_a_script(tab: Browser, pages: dict) -> None:
    opened(tab, pages['ppconv'], 360, script=False)
    assert 'Without JavaScript' in tab.value("document.querySelector('noscript p').innerText")
    rows = "[...document.querySelectorAll('.decisions tbody tr')].map((row) => row.innerText)"
    shown = tab.value(rows)
    assert len(shown) == 8 and shown[0].split() == [
        *('stage1:', 'inputs', 'of', 'x⁽³⁾', 'x⁽²⁾', 'none', 'is', 'on', '1'),
    ]
    assert tab.value("document.getElementById('control').offsetHeight") == 0
    assert tab.value('document.documentElement.scrollWidth') <= 360


def test_the_parts_have_names(tab: Browser, pages: dict) -> None:
    opened(tab, pages['darts'])
    assert tab.value('document.documentElement.lang') == 'en'
    unnamed = """[...document.querySelectorAll('button, input, svg[role=img], section')].filter(
      (e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim()
        || e.hasAttribute('aria-labelledby'))).length"""
    assert tab.value(unnamed) == 0
    levels = tab.value("[...document.querySelectorAll('h1, h2, h3')].map((h) => +h.tagName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))


def test_text_that_attacks_stays_text(tab: Browser, tmp_path: Path) -> None:
    words = '</script><img src=x onerror="document.title=1"><script>document.title=2</script>'
    record = search('mobile', config=words, algorithm=words)
    record['settings'][words] = words
    record['epochs'][0]['losses'][words] = 1.0
    opened(tab, write_report(write(tmp_path, record)))
    assert tab.value('document.title').startswith(words) and not tab.errors
    assert tab.value("document.querySelectorAll('img').length") == 0


def test_a_search_without_epochs_shows_its_result(tab: Browser, tmp_path: Path) -> None:
    page = write_report(write(tmp_path / 'a', search('darts', 0)))
    opened(tab, page)
    assert tab.value("document.querySelectorAll('#cells svg').length") == 2 and not tab.errors
    assert tab.value("document.getElementById('control').hidden")
    record = search('darts', 0)
    del record['result']
    opened(tab, write_report(write(tmp_path / 'b', record)))
    assert 'Nothing is recorded' in tab.value("document.getElementById('hint').textContent")
    assert not tab.errors
