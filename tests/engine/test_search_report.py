"""A search writes its report at every epoch, and names the error that ends it."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from reports import Page
from tool import DIGITS, TINY, call
from torch import nn

from ppnas_mm.backbones import PPResNetCIFAR
from ppnas_mm.engine import search_record
from ppnas_mm.genotype import Genotype
from ppnas_mm.utils.files import read_json
from ppnas_mm.visualize.report import write_report


def state(folder: Path) -> str:
    """What the page says about the search, in one line."""
    text = ' '.join(Page((folder / 'report.html').read_text()).text.split())
    return re.search(r'(?:running|finished|failed) .*?(?=config *ppnas)', text)[0].strip()  # type: ignore[index]


@pytest.fixture(scope='module')
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The work dir of a tiny search, and the states that its report went through."""
    folder, states = tmp_path_factory.mktemp('searched'), []

    def watched(*args: Any) -> Path:
        path = write_report(*args)
        states.append(state(folder))
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_record, 'write_report', watched)
        options = [option.replace('max_epochs=4', 'max_epochs=2') for option in TINY]
        options.append('model.threshold=0.1')
        call('search.py', DIGITS, '--work-dir', folder, '--cfg-options', *options)
    return folder, states


def test_it_is_written_from_the_start_to_the_end(searched: tuple[Path, list[str]]) -> None:
    assert searched[1] == [
        *(f'running or stopped: epoch {n} of 2 is done' for n in (0, 1, 2)),
        'finished after epoch 2 of 2',
    ]


def test_it_names_no_time_and_no_folder(searched: tuple[Path, list[str]]) -> None:
    folder, _ = searched
    text = (folder / 'report.html').read_text()
    assert str(folder) not in text and folder.name not in text
    assert not [path.name for path in folder.iterdir() if path.is_dir() and path.name in text]
    before = text
    assert call('visualize.py', folder) == 0
    assert (folder / 'report.html').read_text() == before


def test_the_costs_are_those_of_the_backbone_found(searched: tuple[Path, list[str]]) -> None:
    folder, _ = searched
    costs = read_json(folder / 'search.json')['result']['costs']
    assert costs['input_shape'] == [3, 16, 16]
    genotype = Genotype.load(folder / 'genotype.json')
    backbone = PPResNetCIFAR(depth=20, arch=genotype, base_channels=8, stem_channels=8).eval()
    flops = []

    def count(conv: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        weights = conv.weight[0].numel()  # type: ignore[index,operator,union-attr]  # of one output
        flops.append(weights * output.numel())

    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        backbone(torch.zeros(1, 3, 16, 16))
    assert costs['flops'] == sum(flops) > 0
    assert costs['parameters'] == sum(p.numel() for p in backbone.parameters())
    assert f'{sum(flops):,}' in (folder / 'report.html').read_text()


def test_an_error_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = [*TINY, 'optim_wrapper.weights.optimizer.lr=1e30']
    assert call('search.py', DIGITS, '--work-dir', tmp_path, '--cfg-options', *options) == 2
    assert 'NonFiniteLossError' in capsys.readouterr().err
    text = state(tmp_path)
    assert text.startswith('failed after epoch 0 of 4: NonFiniteLossError: loss')
    assert 'in WORK_DIR are intact' in text
    assert str(tmp_path) not in (tmp_path / 'report.html').read_text()
