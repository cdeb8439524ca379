"""Two halves of the data: disjoint, balanced, and the loop that reads them as an algorithm asks."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tool import ROOT, call

from ppnas_mm.algorithms import DARTS
from ppnas_mm.datasets.half import half_indices
from ppnas_mm.engine import SafeCheckpointHook
from ppnas_mm.registry import DATASETS

CONFIG = str(ROOT / 'configs/search/darts_digits.py')
TINY = [
    'model.model.backbone.init_channels=2',
    'model.model.backbone.num_cells=3',
    'model.model.head.in_channels=32',
    'train_dataloader.dataset.indices=70',
    'train_dataloader.batch_size=16',
    'val_dataloader.dataset.indices=20',
    'train_cfg.max_epochs=2',
    'train_cfg.val_interval=2',
]


@given(
    st.lists(st.integers(0, 4), min_size=4, max_size=80),
    st.floats(0.3, 1),
    st.integers(0, 5),
)
def test_halves_are_disjoint_and_balanced(labels: list[int], fraction: float, seed: int) -> None:
    array = np.array(labels)
    try:
        halves = [half_indices(array, half, fraction, seed) for half in ('train', 'val')]
    except ValueError as error:
        assert 'empty half' in str(error)
        return
    one, two = map(set, halves)
    assert not one & two
    assert abs(len(one) - len(two)) <= 1
    for label, count in Counter(labels).items():
        shares = [sum(array[i] == label for i in half) for half in halves]
        assert abs(shares[0] - shares[1]) <= 1
        assert sum(shares) == max(1, round(fraction * count))


def test_halves_follow_the_seed_and_refuse_nonsense() -> None:
    labels = np.arange(100) % 10
    assert half_indices(labels, 'train') != half_indices(labels, 'train', seed=1)
    assert half_indices(labels, 'val') == half_indices(labels, 'val')
    for half, fraction in (('test', 1.0), ('train', 0.0), ('train', 1.5)):
        with pytest.raises(ValueError, match='expected one of'):
            half_indices(labels, half, fraction)


def test_half_of_a_data_set_keeps_its_images() -> None:
    whole = dict(type='ppnas_mm.Digits', split='train')
    halves = [
        DATASETS.build(dict(type='ppnas_mm.Half', dataset=whole, half=half))
        for half in ('train', 'val')
    ]
    everything = DATASETS.build(whole)
    everything.full_init()

    def digits(dataset: Any) -> Counter:
        items = (dataset.get_data_info(i) for i in range(len(dataset)))
        return Counter((item['img'].tobytes(), item['gt_label']) for item in items)

    assert sum((digits(half) for half in halves), Counter()) == digits(everything)


def test_the_loop_gives_each_step_a_batch_of_each_half(tmp_path: Path, monkeypatch: Any) -> None:
    seen: list[tuple[str, ...]] = []
    real = DARTS.train_step

    def spy(self: Any, data: Any, optim_wrapper: Any) -> Any:
        seen.append(tuple(data))
        assert all(len(batch['inputs']) == 16 for batch in data.values())
        return real(self, data, optim_wrapper)

    monkeypatch.setattr(DARTS, 'train_step', spy)
    options = [*TINY, 'model.warmup_epochs=1']
    assert call('search.py', CONFIG, '--work-dir', tmp_path, '--cfg-options', *options) == 0
    assert seen == [('train',)] * 2 + [('train', 'val')] * 2  # 35 images a half, batches of 16
    record = json.loads((tmp_path / 'search.json').read_text())
    assert 'loss_val' in record['epochs'][1]['losses']
    assert 'loss_val' not in record['epochs'][0]['losses']


def test_a_run_without_halves_is_refused(tmp_path: Path, capsys: Any) -> None:
    options = [*TINY[:-2], 'train_cfg.type=EpochBasedTrainLoop', 'train_cfg.max_epochs=1']
    assert call('search.py', CONFIG, '--work-dir', tmp_path, '--cfg-options', *options) == 2
    assert 'ppnas_mm.SearchLoop' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('finished', 'epochs', 'saved'), [(True, 9, 1), (False, 9, 0), (False, 4, 1), (True, 4, 1)]
)
def test_the_last_epoch_is_saved_wherever_a_search_ends(
    monkeypatch: pytest.MonkeyPatch, finished: bool, epochs: int, saved: int
) -> None:
    """Epoch 4 ends; a checkpoint is due every third epoch, and after the last."""
    calls: list[int] = []
    hook = SafeCheckpointHook(interval=3)
    monkeypatch.setattr(hook, '_save_checkpoint', lambda runner: calls.append(runner.epoch + 1))
    given = dict(epoch=3, max_epochs=epochs, _max_epochs=epochs, logger=SimpleNamespace(info=str))
    hook.after_train_epoch(SimpleNamespace(model=SimpleNamespace(finished=finished), **given))
    assert calls == [4] * saved


def test_accumulated_gradients_are_refused_with_their_key(tmp_path, capsys):
    config = ROOT / 'configs/search/gdas_digits.py'
    option = 'optim_wrapper.weights.accumulative_counts=2'
    assert call('search.py', config, '--work-dir', tmp_path, '--cfg-options', option) == 2
    assert f'{option}: GDAS updates weights and alpha in turn' in capsys.readouterr().err
