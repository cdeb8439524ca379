"""Files that follow from the lists of the model zoo: tables and metafiles."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ..version import HOME
from ..weights.index import Made, ZooError, check_entry, load_made
from ..weights.published import Published, load_published

TASKS = {
    'classification': 'Image Classification',
    'detection': 'Object Detection',
    'segmentation': 'Semantic Segmentation',
}
"""By folder of the config."""
COLLECTION = 'Weights of this project'
START, END = '<!-- from index.json -->', '<!-- end -->'
START_PUBLISHED = '<!-- from published.json -->'
NOTE = '# Written by tools/zoo.py from model_zoo/index.json.\n'


def table(entries: Iterable[Made]) -> str:
    """Return the table of a README in Markdown."""
    lines = [
        '| name | config | genotype | result | input | MB | made by |',
        '| --- | --- | --- | --- | --- | --- | --- |',
    ]
    for entry in entries:
        size, metric = 'x'.join(map(str, entry.input_size)), entry.metric
        file = str(entry.genotype).endswith('.json')
        genotype = f'[{entry.genotype}]({entry.genotype})' if file else f'`{entry.genotype}`'
        lines.append(
            f'| `{entry.name}` | [{Path(entry.config).stem}](../{entry.config}) | {genotype} | '
            f'{metric["name"]} {metric["value"]:g} on {metric["dataset"]} | {size} | '
            f'{entry.size / 1e6:.1f} | {entry.source} |'
        )
    return '\n'.join(lines) + '\n'


def result(entry: Published) -> str:
    """Return the result of published weights in words: whose it is, and that it is not ours."""
    metric = entry.metric
    if metric['value'] is None:
        return f'none given ({metric["by"]})'
    number = f'{metric["name"]} {metric["value"]:g} on {metric["dataset"]}'
    return f"{number}, the authors', not measured here ({metric['by']})"


def published_table(entries: Iterable[Published]) -> str:
    """Return the table of published weights in Markdown."""
    lines = [
        '| name | config | genotype | result | input | file | licence and origin |',
        '| --- | --- | --- | --- | --- | --- | --- |',
    ]
    for entry in entries:
        size = 'x'.join(map(str, entry.input_size))
        genotype = f'`{entry.genotype}`' if entry.genotype else 'none'
        lines.append(
            f'| `{entry.name}` | [{Path(entry.config).stem}](../{entry.config}) | {genotype} | '
            f'{result(entry)} | {size} | [{entry.zip_name}]({entry.url}) | '
            f'{entry.licence}; {entry.source} |'
        )
    return '\n'.join(lines) + '\n'


def _between(text: str, new: str, path: Path, mark: str) -> str:
    """Replace the text between the two marks of a page."""
    before, start, rest = text.partition(mark)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ZooError(f'{path}: expected the marks {mark} and {END}')
    return f'{before}{mark}\n{new}{END}{after}'


def web_address(entry: Made) -> str:
    """Return the web address of a weight file, because other tools do not know ``ppnas://``."""
    web = (url for url in entry.urls if url.startswith(('https://', 'http://')))
    return next(web, f'{HOME}/raw/main/model_zoo/{entry.urls[0]}')


def metafile(entries: Iterable[Made]) -> str:
    """Return OpenMMLab's metafile with one model for each entry.

    Raises:
        ZooError: If a config is in no folder of :data:`TASKS`.
    """
    models: list[dict[str, Any]] = []
    for entry in entries:
        folder = Path(entry.config).parent.name
        if folder not in TASKS:
            raise ZooError(f'{entry.name}: config: expected a folder of {", ".join(TASKS)}')
        metric = entry.metric
        result = {
            'Task': TASKS[folder],
            'Dataset': metric['dataset'],
            'Metrics': {metric['name']: metric['value']},
        }
        facts = {'Results Source': entry.source, 'SHA256': entry.sha256, 'License': entry.licence}
        models.append(
            {
                'Name': entry.name,
                'In Collection': COLLECTION,
                'Config': entry.config,
                'Weights': web_address(entry),
                'Metadata': facts,
                'Results': [result],
            }
        )
    content = {'Collections': [{'Name': COLLECTION}], 'Models': models}
    return NOTE + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def set_weights(text: str, addresses: dict[str, str]) -> str:
    """Give the models of a metafile the weights of their configs, and no others."""
    text = re.sub(r'^    Weights: .*\n', '', text, flags=re.M)

    def line(match: re.Match[str]) -> str:
        address = addresses.get(match.group(1))
        return match.group() + (f'    Weights: {address}\n' if address else '')

    return re.sub(r'^    Config: (\S+)\n', line, text, flags=re.M)


def pages(root: Path) -> dict[Path, str]:
    """Return the content of every file that follows from the index, checked against its files.

    Args:
        root: Folder of the repository.

    Raises:
        ZooError: If the index is wrong or differs from the files beside it.
    """
    index = root / 'model_zoo' / 'index.json'
    entries = [entry for _, entry in sorted(load_made(index).items())]
    theirs = [entry for _, entry in sorted(load_published(index.parent).items())]
    for entry in [*entries, *theirs]:
        check_entry(entry, index)
    addresses = {e.config: web_address(e) for e in reversed(entries)}  # the first, where several
    readme, own = index.parent / 'README.md', index.parent / 'metafile.yml'
    text = _between(readme.read_text(), table(entries), readme, START)
    text = _between(text, published_table(theirs), readme, START_PUBLISHED)
    found = {readme: text, own: metafile(entries)}
    recipes = sorted(root.glob('configs/*/metafile.yml'))
    found |= {path: set_weights(path.read_text(), addresses) for path in recipes}
    # mim downloads the weights of what is listed there, and stops at a model without any
    model_index = yaml.safe_dump({'Import': [own.relative_to(root).as_posix()]})
    found[root / 'model-index.yml'] = NOTE + model_index
    return found
