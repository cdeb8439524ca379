"""Gradient of alpha from each term of CDARTS' joint loss: by hand and by finite differences."""

import math
from typing import Any

import pytest
import torch
from tool import ROOT, call

from ppnas_mm.benchmarks import gradient_norms as measured
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config
from ppnas_mm.config.model import build_model

DIGITS = ROOT / 'configs/search/cdarts_digits.py'


def test_norms_are_those_of_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []

    def double(config: Any) -> Any:
        kept.append(build_model(config).double())
        return kept[-1]

    monkeypatch.setattr(measured, 'build_model', double)
    batches: list[Any] = []
    original = measured.make_batch
    monkeypatch.setattr(
        measured, 'make_batch', lambda *a: batches.append(original(*a)) or batches[-1]
    )
    config = load_config(
        DIGITS,
        {
            'model.model.backbone.init_channels': 2,
            'model.model.backbone.num_cells': 3,
            'model.model.backbone.ops': ('skip_connect', 'avg_pool_3x3', 'none'),
            'model.model.head.in_channels': 32,
            'model.evaluation.num_cells': 3,
        },
    )
    found = measured.gradient_norms(config, batch_size=4)
    algorithm = kept[0]
    batch = algorithm.data_preprocessor(batches[0], True)
    batch['inputs'] = batch['inputs'].double()
    squares = dict.fromkeys(found, 0.0)
    for parameter in algorithm.arch_parameters().values():
        for i in range(len(parameter)):
            values = []
            for step in (1e-5, -1e-5):
                with torch.no_grad():
                    parameter[i] += step
                    values.append(algorithm.joint_losses(batch))
                    parameter[i] -= step
            for name in found:
                slope = float(values[0][name] - values[1][name]) / 2e-5
                squares[name] += slope**2
    for name in ('loss_search', 'loss_distillation'):
        assert found[name] == pytest.approx(math.sqrt(squares[name]), rel=0.02)
    assert found['loss_l1'] == pytest.approx(5 * math.sqrt(28))  # 14 edges, two cells


def test_the_papers_distillation_outweighs_the_scripts_shares() -> None:
    """At the start of a search, batch 8 (measured apart: .0024, .028, .36)."""
    norms = []
    for weight, ensemble, shares in (
        (1.0, 'mean-of-losses', 'learned'),
        (1.0, 'mean-of-losses', None),
        (4.0, 'sum', None),
    ):
        config = load_config(ROOT / 'configs/search/cdarts_cifar10_paper.py')
        config.model.distill_weight = weight
        config.model.distillation.update(ensemble=ensemble, shares=shares)
        config.model.model.backbone.pool_norm = False
        norms.append(measured.gradient_norms(config)['loss_distillation'])
    for ours, theirs in zip(norms, (0.0024, 0.028, 0.36), strict=True):
        assert theirs / 2 < ours < theirs * 2


def test_the_tool_prints_a_row_a_config(capsys: pytest.CaptureFixture) -> None:
    arguments = ['gradient-norms', DIGITS, '--batch-size', 4]
    assert call('benchmark.py', *arguments) == 0
    *_, line = capsys.readouterr().out.strip().splitlines()
    name, *norms = line.replace('|', ' ').split()
    assert name == 'cdarts_digits' and len(norms) == 3 and norms[2] == '26'


def test_other_searches_are_refused() -> None:
    with pytest.raises(ConfigError, match='DARTS; expected CDARTS'):
        measured.gradient_norms(load_config(ROOT / 'configs/search/darts_digits.py'))
