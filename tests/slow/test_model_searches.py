"""Whole searches from a finished config, by every algorithm: from --model to a trained network."""

import json
from pathlib import Path

import pytest
from digits_classifier import finished_config
from tool import call

from ppnas_mm.engine.search_config import ALGORITHMS, SPACES
from ppnas_mm.genotype import Genotype

SMALL = {
    'darts': [
        'model.model.backbone.num_cells=3',
        'model.model.backbone.init_channels=4',
        'model.model.head.in_channels=64',
    ],
    'plugged': [],
}
FEW = [
    'model.models_per_op=1', 'model.recalibrate_batches=1', 'model.eval_batches=1',
    'model.selection.population=4', 'model.selection.generations=1',
    'model.selection.crossover=2', 'model.selection.mutation=2',
]  # fmt: skip
OWN = {
    'ppnas': ['optim_wrapper.arch.optimizer.lr=0.05', 'model.threshold=0.01'],
    'spos': FEW[1:],
    'senas': FEW,
    'cdarts': ['model.evaluation.num_cells=3', 'model.pools=(2,2)', 'model.warmup_epochs=0'],
}
CASES = [
    (a, 'darts' if a in ('darts', 'gdas', 'cdarts', 'eoinas') else 'plugged') for a in ALGORITHMS
]


@pytest.mark.parametrize(('algorithm', 'space'), CASES)
def test_a_search_and_a_training_of_its_network(algorithm: str, space: str, tmp_path: Path) -> None:
    assert space in SPACES
    given, work = tmp_path / 'mine.py', tmp_path / 'work'
    given.write_text(finished_config(16, 8))
    options = ['default_hooks.search.recalibrate_batches=1', *SMALL[space], *OWN.get(algorithm, [])]
    words = ['--model', given, '--space', space, '--algorithm', algorithm, '--work-dir', work]
    assert call('search.py', *words, '--cfg-options', *options) == 0
    record = json.loads((work / 'search.json').read_text())
    assert record['algorithm'] == ALGORITHMS[algorithm].type
    genotype = Genotype.load(work / 'genotype.json')
    assert genotype.hash == record['result']['genotype']
    more = ['--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    assert call('train.py', work / 'config.py', '--work-dir', tmp_path / 'again', *more) == 0
    trained = json.loads((tmp_path / 'again/result.json').read_text())
    assert trained['genotype'] == genotype.hash
    assert trained['metrics']['accuracy/top1'] > 10
