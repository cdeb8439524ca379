"""The ranking study as a tool, on super-nets that train for a few steps."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from nb201 import OPS, text_of
from scipy.stats import kendalltau
from tool import ROOT, call

from ppnas_mm import Genotype

SEARCH = str(ROOT / 'configs/search/senas_nasbench201-digits.py')
STAND_ALONE = str(ROOT / 'configs/classification/nasbench201_digits.py')
SHORT = [
    '--cfg-options', 'model.first_epochs=1', 'model.stage_epochs=1', 'model.drop=4',
    'train_cfg.max_epochs=3', 'train_cfg.val_interval=3', 'model.models_per_op=1',
    'model.recalibrate_batches=1', 'train_dataloader.dataset.indices=32',
    'train_dataloader.batch_size=8', 'val_dataloader.dataset.indices=10',
    'default_hooks.search.recalibrate_batches=1',
]  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> tuple[Path, dict[str, float]]:
    """A table of NAS-Bench-201 whose accuracies grow with the convolutions of a cell."""
    values = {
        text_of(ops): 10.0 * sum('conv' in op for op in ops) + i / 1e5
        for i, ops in enumerate(itertools.product(OPS, repeat=6))
    }
    file = tmp_path / 'table.csv'
    lines = [f'{value},{text}' for text, value in values.items()]
    file.write_text('\n'.join(['CIFAR10TestAccuracy200Epochs,ArchitectureString', *lines]))
    return file, values


def test_against_a_table(tmp_path: Path, table: tuple, capsys: pytest.CaptureFixture) -> None:
    out = ['--cells', 6, '--seeds', 2, '--work-dir', tmp_path / 'study']
    assert call('rank_study.py', 'study', SEARCH, '--table', table[0], *out, *SHORT) == 0
    found = json.loads((tmp_path / 'study/ranking.json').read_text())
    assert list(found) == ['SPOS', '+ shrinking', '+ expanding']
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    for name, row in found.items():
        assert len(row['tau']) == 2 and {len(v) for v in row['accuracies']} == {6}
        for key, line in zip(
            ('tau', 'whole'), [r for r in rows if f'| {name} |' in r], strict=True
        ):
            assert len(row[key]) == 2
            assert f'{np.mean(row[key]):.3f} | {np.std(row[key], ddof=1):.3f}' in line
    for picture in ('tau.svg', 'ranks.svg'):
        assert (tmp_path / 'study' / picture).is_file()


def test_cells_are_trained_and_ranked(tmp_path: Path) -> None:
    truth = tmp_path / 'cells.json'
    few = ['--cells', 2, '--seeds', 1, '--work-dir', tmp_path / 'cells']
    arguments = ['--search', SEARCH, '--random-drops', 9, 9, '--seed', 3, '--out', truth]
    arguments += ['--cfg-options', *(option for option in SHORT if 'train_dataloader' in option)]
    assert call('rank_study.py', 'cells', STAND_ALONE, *arguments, *few) == 0
    content = json.loads(truth.read_text())
    cells = [Genotype.load(cell['genotype']) for cell in content['cells']]
    assert len({cell.hash for cell in cells}) == 2 and [len(d) for d in content['drops']] == [9, 9]
    left = ['--truth', truth, *few[2:4], '--work-dir', tmp_path / 'study', *SHORT]
    assert call('rank_study.py', 'study', SEARCH, *left) == 0
    found = json.loads((tmp_path / 'study/ranking.json').read_text())
    accuracies = [np.mean(cell['accuracies']) for cell in content['cells']]
    for row in found.values():
        expected = kendalltau(row['accuracies'][0], accuracies).statistic
        assert row['tau'] == [pytest.approx(0 if np.isnan(expected) else expected, abs=1e-3)]
    assert (tmp_path / 'study/ranks.svg').is_file()


def test_bad_tables_are_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    truth = tmp_path / 'truth.json'
    truth.write_text('{"drops": []}')
    assert call('rank_study.py', 'study', SEARCH, '--truth', truth) == 2
    assert 'truth.json' in capsys.readouterr().err
    assert call('rank_study.py', 'study', SEARCH, '--table', tmp_path / 'none.csv') == 2
    assert 'none.csv' in capsys.readouterr().err
    assert call('rank_study.py', 'study', SEARCH, '--truth', truth, '--cells', '1') == 2
    assert '--cells 1' in capsys.readouterr().err


def test_what_operations_are_scored_on(capsys: pytest.CaptureFixture) -> None:
    config = SEARCH.replace('senas_nasbench201-digits', 'senas_imagenet_250m')
    assert call('rank_study.py', 'models', config, '--cfg-options', 'model.models_per_op=20') == 0
    *_, row = capsys.readouterr().out.splitlines()
    name, models, blocks, least, _, none = (cell.strip() for cell in row.strip('|').split('|'))
    assert (name, least, none) == ('senas_imagenet_250m', '20', '0')
    assert int(models) > 141 and 1.5 < float(blocks.split()[0]) < 3 and blocks.endswith('of 15')
