"""The recipes in docs/how_to, word for word: a copy of the repository gets their code blocks.

The functions named ``applied_*`` and the tests that a recipe names then run in the copy.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import yaml
from mmengine.registry import DefaultScope
from searches import NO_TABLE
from tasks import classifier, classifier_batch, search_optimizers
from tool import ROOT
from zoo import SPACES, build_super_net, images

from ppnas_mm.config.load import load_config
from ppnas_mm.engine.derive import derive_model
from ppnas_mm.genotype import Genotype, published
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed
from ppnas_mm.version import __version__

NAMES = ('an_operation', 'a_space', 'an_algorithm', 'a_backbone', 'a_config')
PAGES = [(ROOT / f'docs/how_to/add_{name}.md').read_text() for name in NAMES]
ADDED = {
    'op': 'max_pool_5x5',
    'space': 'halves',
    'algorithm': 'EntropySearch',
    'arch': 'pp_resnet_ladder',
    'config': 'ppnas_digits_5x5',
}
"""What each recipe adds, as it appears in the names of the tests that then cover it."""


# -- applying a recipe -----------------------------------------------------------------------------


def recipes() -> dict[str, list[tuple[dict[str, str], str]]]:
    """The code blocks of each recipe, with the words of their first line."""
    found: dict[str, list] = {}
    text = '\n'.join(PAGES)
    for info, code in re.findall(r'^```\w+ (recipe=.*?)\n(.*?)^```$', text, re.M | re.S):
        words = dict(word.split('=', 1) for word in shlex.split(info))
        found.setdefault(words['recipe'], []).append((words, code))
    return found


def section(recipe: str) -> str:
    """The page that holds a recipe."""
    (text,) = [page for page in PAGES if f' recipe="{recipe}" ' in page]
    return text


def apply(folder: Path, words: dict[str, str], code: str) -> None:
    """Do with a code block what the text around it says."""
    if 'import' in words:  # the import, and the name in __all__
        path = folder / words['import']
        name = code.split()[-1]
        text = path.read_text().replace('__all__ = [', f"__all__ = ['{name}', ", 1)
        path.write_text(text.replace('\nfrom .', f'\n{code}from .', 1))
        return
    path = folder / words['title']
    anchor = words.get('after') or words.get('before')
    if anchor is None:
        assert not path.exists(), f'{path} is there already'
        path.write_text(code)
        return
    lines = path.read_text().splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if line.lstrip().startswith(anchor))
    lines.insert(place + ('after' in words), code)
    path.write_text(''.join(lines))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a Python module in the copy."""
    path = {'PYTHONPATH': str(folder), 'OMP_NUM_THREADS': '1'}
    return subprocess.run(
        [sys.executable, '-m', *arguments],
        cwd=folder,
        env={**os.environ, **path},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope='module')
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository to which all recipes are applied."""
    folder = tmp_path_factory.mktemp('copy')
    ignore = shutil.ignore_patterns('.mim', '__pycache__')
    for name in ('ppnas_mm', 'configs', 'tests', 'docs/how_to'):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / 'pyproject.toml', folder)
    for blocks in recipes().values():
        for words, code in blocks:
            apply(folder, words, code)
    inits = sorted({w['import'] for b in recipes().values() for w, _ in b if 'import' in w})
    run(folder, 'ruff', 'check', '-q', '--fix', '--select', 'I,RUF022', *inits)
    run(folder, 'ruff', 'format', '-q', *inits)
    return folder


@pytest.fixture(scope='module')
def outcomes(copy: Path) -> dict[str, str]:
    """What became of each test that ran in the copy, by ``file::name``: ``passed`` or why not."""
    files = sorted(
        {f for recipe in recipes() for f in re.findall(r'tests/[\w/]+\.py', section(recipe))}
    )
    # the rest of what they cover is left to the tests' own run
    left = '-PPNAS or mmdet or mmseg or contract or preprocessor or left_alone or continues'
    chosen = f'applied_ or layers or (({" or ".join(ADDED.values())}) and not ({left}))'
    chosen += ' or (contract and Halves and (shapes or frozen or copies))'
    options = ['-o', 'addopts=', '-o', 'python_functions=test applied', '--junitxml=result.xml']
    files += ['tests/project/test_contributing.py', 'tests/project/test_layers.py']
    done = run(copy, 'pytest', '-q', '-k', chosen, *options, *files)
    assert (copy / 'result.xml').is_file(), done.stdout[-2000:] + done.stderr[-2000:]
    found = {}
    for case in ElementTree.parse(copy / 'result.xml').iter('testcase'):
        state = next((child.tag + (child.text or '') for child in case), 'passed')
        found[f'{case.get("classname", "").replace(".", "/")}.py::{case.get("name")}'] = state
    return found


# -- in the copy -----------------------------------------------------------------------------------


def applied_op() -> None:
    """A super-net with the operation finds it; the derived network is its one-hot forward."""
    net = build_super_net('ppconv', ops=('identity', 'conv_3x3', ADDED['op']))
    genotype = net.random_genotype(np.random.default_rng(0), free=True)
    assert ADDED['op'] in genotype.to_json()
    config, weights = net.export(Genotype.from_json(genotype.to_json()))
    derived = MODELS.build(config).eval()
    derived.load_state_dict(weights)
    net.mixture = Fixed(net.to_path(genotype))
    x = images(2, 3, 16, 16)
    torch.testing.assert_close(derived(x), net(x), rtol=1e-5, atol=1e-5)


def search(name: str, space: str) -> Any:
    """Two training steps of a search in an mmpretrain classifier, and the derived classifier."""
    model = classifier(SPACES[space])
    algorithm = MODELS.build({'type': f'ppnas_mm.{name}', 'model': model})
    algorithm.init_weights()
    optimizers = search_optimizers(algorithm.train())
    for step in range(2):
        losses = algorithm.train_step(classifier_batch(seed=step), optimizers)
        assert all(torch.isfinite(v).all() for k, v in losses.items() if 'loss' in k), losses
    algorithm.eval()
    genotype = algorithm.derive(strict=False)
    algorithm.super_net.mixture = Fixed(algorithm.super_net.to_path(genotype))
    derived, x = derive_model(algorithm, genotype), images(2, 3, 16, 16)
    assert type(derived).__name__ == 'ImageClassifier'
    torch.testing.assert_close(derived(x), algorithm.model(x), rtol=1e-5, atol=1e-5)
    return derived


def applied_space() -> None:
    """The space is searched in a classifier and derived."""
    derived = search('RandomSearch', ADDED['space'])
    assert type(derived.backbone).__name__ == 'HalvesResNet'


def applied_algorithm() -> None:
    """The algorithm trains and derives."""
    derived = search(ADDED['algorithm'], 'ppconv')
    assert type(derived.backbone).__name__ == 'PPResNetCIFAR'


def applied_arch() -> None:
    """The architecture is found by its name."""
    assert ADDED['arch'] in published()
    net = MODELS.build(dict(type='ppnas_mm.PPResNetCIFAR', depth=20, arch=ADDED['arch']))
    assert net.genotype == Genotype.load(ADDED['arch'])


def applied_config() -> None:
    """The config loads and its model builds."""
    config = load_config(ROOT / f'configs/search/{ADDED["config"]}.py')
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))
    candidates = {c.candidates for c in model.super_net.choices.values() if not c.gates}
    assert candidates == {('identity', 'conv_3x3', 'conv_5x5')}


# -- here ------------------------------------------------------------------------------------------


def test_every_recipe_is_known_and_linked() -> None:
    assert list(recipes()) == list(ADDED)
    links = re.findall(r'\]\(docs/how_to/add_(\w+)\.md\)', (ROOT / 'CONTRIBUTING.md').read_text())
    assert tuple(links) == NAMES
    assert {path.stem for path in (ROOT / 'docs/how_to').glob('add_*.md')} == {
        f'add_{name}' for name in NAMES
    }


@pytest.mark.parametrize('recipe', ADDED)
def test_a_recipe_works_and_is_covered_by_the_tests_it_names(
    recipe: str, outcomes: dict[str, str]
) -> None:
    assert outcomes[f'tests/project/test_contributing.py::applied_{recipe}'] == 'passed'
    named, name = set(re.findall(r'tests/\w+/test_\w+\.py', section(recipe))), ADDED[recipe].lower()
    assert named
    for file in named:
        if recipe == 'op' and file == 'tests/spaces/test_spaces.py':
            continue  # its tests take all operations of a space at once
        covering = [k for k in outcomes if k.startswith(f'{file}::') and name in k.lower()]
        assert covering, f'{file} does not test {ADDED[recipe]}'
        for key in covering:
            if 'TableSearch' in key and NO_TABLE in outcomes[key]:
                continue  # no benchmark has trained the networks of a new space
            assert outcomes[key] == 'passed', key


@pytest.mark.parametrize('package', ['backbones', 'spaces', 'algorithms'])
def test_the_recipes_keep_the_layers(package: str, outcomes: dict[str, str]) -> None:
    test = f'tests/project/test_layers.py::test_imports_point_downwards[{package}]'
    assert outcomes[test] == 'passed'


def test_the_recipes_pass_lint(copy: Path) -> None:
    files = sorted(
        {words.get('title') or words['import'] for b in recipes().values() for words, _ in b}
    )
    files = [file for file in files if file.endswith('.py') and not file.startswith('configs/')]
    for arguments in (['check'], ['format', '--check']):
        done = run(copy, 'ruff', *arguments, '--no-cache', *files)
        assert done.returncode == 0, done.stdout


def test_hooks_run_what_lint_runs() -> None:
    (repository,) = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos']
    hooks = [' '.join(hook['entry'].split()) for hook in repository['hooks']]
    makefile = (ROOT / 'Makefile').read_text()
    lint = re.search(r'^lint:.*\n((?:\t.*\n)+)', makefile, re.M).group(1)
    lint = lint.replace('$(BIN)', '.venv/bin').replace('format --check', 'format')
    assert hooks == [line.strip() for line in lint.splitlines()]


def test_citation_changes_and_licence() -> None:
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == __version__
    assert f'\n## {__version__} ' in (ROOT / 'CHANGELOG.md').read_text()
    assert len(citation['references']) == 4
    licence = (ROOT / 'LICENSE').read_text()
    assert 'Version 2.0, January 2004' in licence and 'END OF TERMS AND CONDITIONS' in licence
    assert citation['license'] == 'Apache-2.0'
