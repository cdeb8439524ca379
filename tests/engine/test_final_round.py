"""The final round: the most likely architectures, what wins, what is refused."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tool import ROOT, call
from zoo import SPACES

from ppnas_mm.algorithms.discretise import most_likely
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.engine import SearchHook, final_round
from ppnas_mm.genotype import Genotype
from ppnas_mm.registry import MODELS


@pytest.mark.parametrize('seed', range(3))
def test_the_most_likely_paths_are_those_of_a_list_of_all(seed: int) -> None:
    ops = ('none', 'skip_connect', 'nor_conv_3x3')
    net: Any = MODELS.build({**SPACES['nasbench201'], 'ops': ops})
    rng = np.random.default_rng(seed)
    shares = {name: rng.dirichlet(np.ones(3)).tolist() for name in net.choices}
    first = next(iter(shares))
    shares[first] = [0.0, 0.4, 0.6]  # the first operation was pruned
    everything = []
    for kept in itertools.product(range(3), repeat=len(shares)):
        path = {name: (i,) for name, i in zip(shares, kept, strict=True)}
        value = np.prod([shares[name][i] for name, (i,) in path.items()])
        if value and not net.remarks(path):
            everything.append((float(value), path))
    everything.sort(key=lambda entry: -entry[0])
    assert most_likely(net, shares, 5) == [path for _, path in everything[:5]]


def test_connections_have_no_shares() -> None:
    net: Any = MODELS.build(SPACES['ppconv'])
    with pytest.raises(ValueError, match='also chooses connections'):
        most_likely(net, {}, 2)


OPTIONS = (
    'model.model.backbone._delete_=True',
    'model.model.backbone.type=ppnas_mm.NASBench201SuperNet',
    'model.model.backbone.init_channels=4', 'model.model.backbone.cells_per_stage=1',
    'model.model.head.in_channels=16', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
    'model.warmup_epochs=0', 'train_dataloader.batch_size=128',
    'default_hooks.search.recalibrate_batches=1', 'default_hooks.search.final_round.finalists=3',
    'default_hooks.search.final_round.epochs=1',
)  # fmt: skip


@pytest.mark.parametrize(('by', 'wins'), [('loss', 2), ('accuracy', 1)])
def test_the_best_of_three_on_digits(
    by: str, wins: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With made-up results the best wins, the first among equals; real ones are repeated."""
    asked: list[str] = []

    def told(runner: Any, algorithm: Any, genotype: Genotype, epochs: int) -> tuple[float, float]:
        asked.append(genotype.hash)
        return [(1.5, 50.0), (1.4, 60.0), (1.2, 60.0)][len(asked) - 1]

    config = str(ROOT / 'configs/search/gdas_digits.py')
    real = final_round._train_alone
    for folder, train in (('told', told), ('real', real), ('again', real)):
        monkeypatch.setattr(final_round, '_train_alone', train)
        words = [config, '--work-dir', str(tmp_path / folder), '--cfg-options', *OPTIONS]
        assert call('search.py', *words, f'default_hooks.search.final_round.by={by}') == 0
    records = {
        name: json.loads((tmp_path / name / 'search.json').read_text())['result']
        for name in ('told', 'real', 'again')
    }
    assert [entry['genotype'] for entry in records['told']['final_round']] == asked
    assert len(set(asked)) == 3
    assert Genotype.load(tmp_path / 'told/genotype.json').hash == asked[wins]
    rounds = records['real']['final_round']
    assert [entry['genotype'] for entry in rounds] == asked  # the search is the same
    assert all(0 < entry['accuracy'] < 100 and 0 < entry['loss'] < 3 for entry in rounds)
    best = (min if by == 'loss' else max)(rounds, key=lambda entry: entry[by])['genotype']
    assert (
        records['real']['genotype'] == best == Genotype.load(tmp_path / 'real/genotype.json').hash
    )
    assert records['again'] == records['real']
    weights = [(tmp_path / name / 'derived.safetensors').read_bytes() for name in ('real', 'again')]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    'words', [dict(finalists=0), dict(epochs=0), dict(by='luck')], ids=lambda words: str(words)
)
def test_wrong_settings_are_refused(words: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=str(next(iter(words)))):
        SearchHook(final_round=words)


@pytest.mark.parametrize(
    ('config', 'text'),
    [
        ('configs/search/ppnas_digits.py', 'images held out'),
        ('configs/search/gdas_digits.py', 'operations only'),
    ],
)
def test_what_is_not_possible_is_refused_before_the_search(
    config: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = [str(ROOT / config), '--work-dir', str(tmp_path), '--cfg-options',
             'default_hooks.search.final_round.finalists=2']  # fmt: skip
    assert call('search.py', *words) == 2
    assert text in capsys.readouterr().err
    assert not list(tmp_path.glob('*.pth'))
