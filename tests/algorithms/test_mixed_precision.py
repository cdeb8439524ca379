"""Mixed precision in bfloat16 and channels-last: every search stays finite and chooses the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mixed_numbers import MIXED, Numbers, check_search, check_spread, smallest
from mmengine.config import ConfigDict
from searches import batch_for, build, every_algorithm
from tasks import classifier_batch, search_optimizers
from tool import DIGITS, TINY, call

from ppnas_mm.algorithms import DARTS, PPNAS
from ppnas_mm.engine.run import _mix_precision


@every_algorithm
def test_every_search_runs_in_bfloat16(name: str) -> None:
    check_search(name, smallest(name))


def test_the_second_order_looks_ahead_in_full_precision() -> None:
    """Finite differences of rounded losses would be noise."""
    algorithm = build('DARTS', 'nasbench201', order=2).train()
    assert isinstance(algorithm, DARTS)
    with Numbers() as numbers:
        batch = batch_for(algorithm, classifier_batch())
        algorithm.train_step(batch, search_optimizers(algorithm, weights=MIXED))
    count = {dtype: numbers.seen['convolution', dtype] for dtype in numbers.types_of('convolution')}
    # eq. 7 and 8: the step ahead, the loss there, two sides of the difference; then the real step
    assert count == {
        torch.float32: 4 * count[torch.bfloat16],
        torch.bfloat16: count[torch.bfloat16],
    }


def test_losses_on_the_architecture_are_not_rounded() -> None:
    """Eq. 4 is a small difference of sums of gates: in bfloat16 (1 - 0.9995)^2 would be 0."""
    algorithm = build('PPNAS', 'ppconv').train()
    assert isinstance(algorithm, PPNAS)
    with torch.no_grad():
        for name, parameter in algorithm.super_net.arch.items():
            if algorithm.super_net.choices[name].gates:
                parameter.copy_(torch.logit(torch.full_like(parameter, 0.9995 / len(parameter))))
    expected = algorithm.arch_losses()
    assert expected['loss_connection'] > 0
    data = algorithm.data_preprocessor(classifier_batch(), True)
    with torch.autocast('cpu', torch.bfloat16):
        found = algorithm(**data, mode='loss')
    for name, loss in expected.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], loss), name


# -- the choice among the spread of seeds ----------------------------------------------------------


def test_precision_changes_less_than_a_seed() -> None:
    """Of one algorithm here; tests/slow has every one."""
    check_spread('GDAS', steps=5)


# -- --amp -----------------------------------------------------------------------------------------


SGD = {'optimizer': {'type': 'SGD', 'lr': 0.1}}


@pytest.mark.parametrize('nested', [False, True])
@pytest.mark.parametrize('gpu', [False, True])
def test_the_flag_chooses_by_device(gpu: bool, nested: bool) -> None:
    given: dict[str, Any] = {**SGD, 'type': 'AmpOptimWrapper', 'loss_scale': 512.0}
    for part in (dict(SGD), given):
        wrapper = ConfigDict({'weights': part, 'arch': dict(SGD)} if nested else part)
        _mix_precision(wrapper, gpu)
        found = wrapper.weights if nested else wrapper
        if gpu:
            assert found == {**SGD, 'type': 'AmpOptimWrapper', 'loss_scale': 'dynamic', **part}
        else:
            assert found == {**SGD, **MIXED}
        assert not nested or wrapper.arch == SGD


def test_a_search_on_a_cpu_takes_the_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available():
        pytest.skip('has a GPU')
    options = ['--work-dir', tmp_path, '--cfg-options', *TINY, 'train_cfg.max_epochs=1']
    with Numbers() as numbers:
        call('search.py', DIGITS, '--amp', *options)  # one epoch is too short to derive
    assert (tmp_path / 'epoch_1.pth').is_file()
    assert numbers.types_of('convolution_backward') == {torch.bfloat16}
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['state_dict']
    assert not any(value.dtype == torch.bfloat16 for value in state.values())
