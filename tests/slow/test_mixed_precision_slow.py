"""Mixed precision and channels-last in every space, library and algorithm; whole searches."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from mixed_numbers import MIXED, Numbers, check_search, check_spread
from searches import batch_for, build, every_algorithm
from tasks import PYRAMIDS, TASKS, search_optimizers
from tool import DIGITS, RETRAIN, TINY, TINY_TRAIN, call
from zoo import SPACES, build_super_net, images


@every_algorithm
def test_every_search_runs_in_bfloat16_in_every_space(name: str, space: str) -> None:
    check_search(name, space, size=64 if name == 'CDARTS' else 16)


@every_algorithm
@pytest.mark.parametrize('library', [library for library in TASKS if library != 'mmpretrain'])
def test_searches_in_detectors_and_segmentors(name: str, library: str) -> None:
    if name == 'CDARTS':
        pytest.skip(
            'needs logits of classes; tests/algorithms/test_cdarts.py searches in a segmentor'
        )
    model, batch = TASKS[library]
    algorithm = build(name, 'ppconv', config=model(PYRAMIDS['ppconv'])).train()
    optimizers = search_optimizers(algorithm, weights=MIXED | {'clip_grad': {'max_norm': 5}})
    for step in range(2):
        algorithm.before_epoch(step + 1)
        logs = algorithm.train_step(batch_for(algorithm, batch(seed=step)), optimizers)
        assert all(torch.as_tensor(value).isfinite().all() for value in logs.values())
    assert all(p.isfinite().all() for p in algorithm.parameters())


@every_algorithm
def test_precision_changes_less_than_a_seed(name: str) -> None:
    check_spread(name, steps=10)


@pytest.mark.parametrize('space', SPACES)
def test_channels_last_changes_no_gradient(space: str) -> None:
    gradients = []
    for layout in (torch.contiguous_format, torch.channels_last):
        net = build_super_net(space).double().train().to(memory_format=layout)
        sum((m * m).mean() for m in net(images(4, 3, 32, 32, dtype=torch.float64))).backward()
        gradients.append({n: p.grad for n, p in net.named_parameters()})
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient, rtol=1e-6, atol=1e-6)


def test_whole_searches_choose_alike(tmp_path: Path) -> None:
    """PP-NAS on digits by the tool: as `check_spread`, with the last epoch of `search.json`."""
    found: dict[tuple[str, ...], list[np.ndarray]] = {}
    options = [*TINY, 'train_dataloader.dataset.indices=512', 'train_dataloader.batch_size=32']
    for flags in ((), ('--amp',)):
        for seed in range(3):
            folder = tmp_path / f'{"".join(flags)}{seed}'
            run = ['--seed', seed, '--work-dir', folder, *flags, '--cfg-options', *options]
            assert call('search.py', DIGITS, *run) == 0
            record = json.loads((folder / 'search.json').read_text())['epochs'][-1]
            values = np.concatenate([np.array(v) for v in record['architecture'].values()])
            found.setdefault(flags, []).append(values)
    single, mixed = found.values()
    twins = [float(abs(a - b).mean()) for a, b in zip(single, mixed, strict=True)]
    spread = [float(abs(a - b).mean()) for a, b in combinations(single, 2)]
    print(f'precision {twins}, seeds {spread}')
    assert max(twins) < min(spread)


def test_a_network_is_trained_in_bfloat16(tmp_path: Path) -> None:
    with Numbers() as numbers:
        run = ['train.py', RETRAIN, '--amp', '--work-dir', tmp_path, '--cfg-options', *TINY_TRAIN]
        assert call(*run) == 0
    assert numbers.types_of('convolution_backward') == {torch.bfloat16}
