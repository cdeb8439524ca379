"""The tables of the configs for readers: there, true, and not stale."""

import re
from pathlib import Path

import pytest
import yaml
from tool import ROOT, call

from ppnas_mm.zoo.config_pages import PageError, summary

FOLDERS = ('classification', 'detection', 'segmentation', 'search', '_base_')


def rows(folder: str) -> dict[str, list[str]]:
    """The cells of a page's table by the file that the first one links to."""
    found = {}
    for line in (ROOT / 'configs' / folder / 'README.md').read_text().splitlines():
        if match := re.match(r'\| \[.+?\]\((.+?\.py)\) \|', line):
            assert match[1] not in found
            found[match[1]] = [cell.strip() for cell in line.split('|')[2:-1]]
    return found


def test_pages_are_those_of_the_configs(capsys: pytest.CaptureFixture[str]) -> None:
    assert call('zoo.py', '--configs', '--check') == 0, capsys.readouterr().out


@pytest.mark.parametrize('folder', FOLDERS)
def test_every_config_has_a_row(folder: str) -> None:
    files = {
        p.relative_to(ROOT / 'configs' / folder) for p in (ROOT / 'configs' / folder).rglob('*.py')
    }
    assert set(rows(folder)) == {file.as_posix() for file in files}
    page = (ROOT / 'configs' / folder / 'README.md').read_text()
    for target in re.findall(r'\]\((?!https?:)(.+?)\)', page):
        assert (ROOT / 'configs' / folder / target).exists(), target


@pytest.mark.parametrize('folder', FOLDERS[:3])
def test_results_are_those_of_the_metafiles(folder: str) -> None:
    models = yaml.safe_load((ROOT / 'configs' / folder / 'metafile.yml').read_text())['Models']
    own = yaml.safe_load((ROOT / 'model_zoo' / 'metafile.yml').read_text())['Models']
    found = rows(folder)
    for column, entries in ((4, models), (3, own)):
        expected = {name: [] for name in found}
        for entry in entries:
            for result in entry.get('Results', ()):
                if Path(entry['Config']).parent.name == folder:
                    expected[Path(entry['Config']).name] += result['Metrics'].values()
        shown = {
            name: [float(score.split()[0]) for score in cells[column].split('; ') if score]
            for name, cells in found.items()
        }
        assert shown == expected
    for entry in models:
        what, data, cost, *_ = found[f'{entry["Name"]}.py']
        facts = entry['Metadata']
        assert what and data == facts['Training Data']
        assert cost.startswith(f'{facts["Epochs"]} epochs of batches of ')
        assert cost.endswith(f'; {facts["Parameters"] / 1e6:.2f} M parameters')


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('# One. Two.\n', 'One'),
        ('# One of\n# two lines, 0.5 in it.\n_base_ = []\n# Two.\n', 'One of two lines, 0.5 in it'),
        ('# One, as follows:\n#     python x.py\n', 'One, as follows'),
        ('# No end\nmodel = dict()\n', 'No end'),
    ],
)  # fmt: skip
def test_the_first_sentence_of_the_first_comment(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / 'a.py').write_text(text)
    assert summary(tmp_path / 'a.py') == sentence


def test_a_config_without_a_comment_is_named(tmp_path: Path) -> None:
    (tmp_path / 'a.py').write_text('model = dict()\n# late\n')
    with pytest.raises(PageError, match=r'a\.py: expected a first line'):
        summary(tmp_path / 'a.py')
