"""A cell of NAS-Bench-201 that ``none`` cuts through is a result, not an error."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from cdarts_nets import DATA, NB201, build
from cut_cells import CONFIG
from searches import build as build_any
from tasks import classifier, search_optimizers
from tool import call
from zoo import algorithms, images

from ppnas_mm.algorithms import SPOS, RandomSearch, UntrainedSearch
from ppnas_mm.engine.derive import derive_model
from ppnas_mm.genotype import Genotype

CUT = "'none' cuts every way from the input of the cell to its output"


def cut(net: Any) -> dict[str, tuple[int, ...]]:
    """The path of six ``none``."""
    return {name: (choice.candidates.index('none'),) for name, choice in net.choices.items()}


@torch.no_grad()
def lean_to_none(net: Any) -> None:
    """Let alpha choose ``none`` on every edge."""
    for name, parameter in net.arch_parameters().items():
        parameter[net.choices[name].candidates.index('none')] = 9.0


@pytest.mark.parametrize('name', algorithms())
def test_every_algorithm_derives_a_cut_cell(name: str) -> None:
    if name == 'RandomSearch':
        drawn = (build_any(name, 'nasbench201', seed=i, constrained=False) for i in range(500))
        algorithm: Any = next(a for a in drawn if a.super_net.remarks(a.decide(strict=False)))
        assert isinstance(algorithm, RandomSearch)
    else:
        algorithm = build_any(name, 'nasbench201')
        if isinstance(algorithm, SPOS):
            algorithm.selected.copy_(algorithm.paths.to_mask(cut(algorithm.super_net)))
        elif isinstance(algorithm, UntrainedSearch):
            algorithm.choose = lambda: cut(algorithm.super_net)
        else:
            lean_to_none(algorithm.super_net)
    genotype = algorithm.derive(strict=True)
    net = algorithm.super_net
    assert net.remarks(net.to_path(genotype)) == [CUT]
    derived = derive_model(algorithm, genotype)
    with torch.no_grad():
        logits = derived(images(3, 3, 32, 32), mode='tensor')
    assert torch.isfinite(logits).all()


def test_one_shot_searches_select_a_cut_cell_where_nothing_else_is_left() -> None:
    algorithm: Any = build_any('SPOS', 'nasbench201')
    net = algorithm.super_net
    for name, choice in net.choices.items():
        for i, op in enumerate(choice.candidates):
            if op != 'none':
                net.prune(name, i)
    assert algorithm.paths.architecture(cut(net)) == cut(net)


def test_cdarts_learns_with_a_cut_evaluation_network() -> None:
    algorithm = build(classifier(NB201), evaluation={}, pools=(3, 2), separate_epochs=1)
    lean_to_none(algorithm.super_net)
    optimizers = search_optimizers(algorithm)
    for epoch in (1, 2):
        algorithm.before_epoch(epoch)
        logs = algorithm.train_step({n: DATA[n] for n in algorithm.uses}, optimizers)
        assert all(torch.isfinite(value) for value in logs.values())


def test_a_search_ends_with_genotype_record_and_a_sentence(
    tmp_path: Path, monkeypatch: Any
) -> None:
    from ppnas_mm.spaces import NASBench201SuperNet

    original = NASBench201SuperNet.set_choices

    def leaning(self: Any, *args: Any) -> None:
        original(self, *args)
        lean_to_none(self)

    monkeypatch.setattr(NASBench201SuperNet, 'set_choices', leaning)
    config, work = tmp_path / 'cut.py', tmp_path / 'work'
    config.write_text(CONFIG)
    assert call('search.py', config, '--work-dir', work) == 0
    genotype = Genotype.load(work / 'genotype.json')
    assert {edge.op for node in genotype.cells[0].nodes for edge in node} == {'none'}
    assert genotype.provenance['status'] == 'derived'
    record = json.loads((work / 'search.json').read_text())
    assert record['result']['remarks'] == [CUT]
    assert len(record['epochs']) == 2 and (work / 'derived.safetensors').is_file()
    (log,) = work.glob('*/*.log')
    assert CUT in log.read_text()
