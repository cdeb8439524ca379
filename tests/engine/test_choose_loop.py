"""Searches that train nothing, run by the tool on digits."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from small_searches import write_search
from tool import RETRAIN, TINY_TRAIN, call, start

from ppnas_mm import Genotype

FILES = ('genotype.json', 'search.json', 'report.html')
NONE = 'none: nothing was trained'


def record_of(folder: Path) -> dict[str, Any]:
    """The record of a search."""
    return json.loads((folder / 'search.json').read_text())


@pytest.fixture(scope='module')
def chosen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A config and the work dir of its search."""
    folder = tmp_path_factory.mktemp('chosen')
    config = write_search('naswot', folder)
    assert call('search.py', config, '--work-dir', folder / 'work', '--seed', 3) == 0
    return config, folder / 'work'


def test_it_leaves_a_genotype_and_says_that_there_are_no_weights(chosen: tuple) -> None:
    _, folder = chosen
    genotype = Genotype.load(folder / 'genotype.json')
    record = record_of(folder)
    assert genotype.space == 'nasbench201' and genotype.provenance['status'] == 'derived'
    assert record['algorithm'] == 'ZeroCostSearch' and record['seed'] == 3
    assert record['epochs'] == [] and record['result']['weights'] == NONE
    assert record['result']['genotype'] == genotype.hash
    assert 'derived' not in record['result'] and 'super_net' not in record['result']
    assert (folder / 'genotype.svg').is_file()
    left = {path.name for path in folder.iterdir()}
    assert not left & {'derived.safetensors', 'search.svg'}
    assert not list(folder.glob('*.pth'))


def test_a_seed_repeats_it_bit_by_bit(chosen: tuple, tmp_path: Path) -> None:
    config, folder = chosen
    for seed, same in ((3, True), (4, False)):
        place = tmp_path / str(seed)
        assert call('search.py', config, '--work-dir', place, '--seed', seed) == 0
        for name in FILES:
            assert ((place / name).read_bytes() == (folder / name).read_bytes()) == same


def test_a_resumed_search_ends_with_the_same(chosen: tuple, tmp_path: Path) -> None:
    """There is nothing to go on from: it chooses again, and finds the same."""
    config, folder = chosen
    arguments = [config, '--work-dir', tmp_path, '--seed', 3, '--resume']
    for _ in range(2):  # before anything was written, and after all was
        assert call('search.py', *arguments) == 0
        for name in FILES:
            assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_killed_search_is_repeated(chosen: tuple, tmp_path: Path) -> None:
    config, folder = chosen
    arguments = [config, '--work-dir', tmp_path, '--seed', 3, '--resume']
    process = start(
        'search.py', *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if 'Scoring' in line:
            break
    process.kill()
    assert process.wait() == -9 and not (tmp_path / 'genotype.json').exists()
    assert call('search.py', *arguments) == 0
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_what_was_chosen_can_be_trained_from_scratch(tmp_path: Path) -> None:
    config = write_search('params', tmp_path)
    training = tmp_path / 'training.py'
    training.write_text(
        f"""_base_ = '{RETRAIN}'
model = dict(
    backbone=dict(_delete_=True, type='ppnas_mm.NASBench201Net', arch=None, cells_per_stage=1,
                  init_channels=4),
    head=dict(in_channels=16))
param_scheduler = None
train_cfg = dict(max_epochs=1, val_interval=1)
"""
    )
    options = [o for o in TINY_TRAIN if not o.startswith('model')]
    arguments = ['--retrain', training, '--cfg-options', 'val_dataloader.dataset.indices=40']
    given = [*arguments, *(o for o in options if 'max_epochs' not in o)]
    code = call('search.py', config, '--work-dir', tmp_path / 'work', *given)
    assert code == 0
    result = json.loads((tmp_path / 'work/retrain/result.json').read_text())
    genotype = Genotype.load(tmp_path / 'work/genotype.json')
    assert result['genotype'] == genotype.hash


def test_the_same_algorithm_trains_what_it_chose_in_a_search_loop(tmp_path: Path) -> None:
    for name in ('params', 'params-trained'):
        config = write_search(name, tmp_path)
        assert call('search.py', config, '--work-dir', tmp_path / name, '--seed', 2) == 0
    one, two = (Genotype.load(tmp_path / n / 'genotype.json') for n in ('params', 'params-trained'))
    assert one == two
    result = record_of(tmp_path / 'params-trained')['result']
    assert 'weights' not in result and 0 <= result['derived']['metrics']['accuracy/top1'] <= 100
    assert (tmp_path / 'params-trained/derived.safetensors').is_file()


@pytest.mark.parametrize('name', ['spos', 'gdas'])
def test_an_algorithm_that_trains_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = write_search(name, tmp_path)
    text = config.read_text().split('train_cfg')[0]
    choose = "train_cfg = dict(_delete_=True, type='ppnas_mm.ChooseLoop')\n"
    arch = "optim_wrapper = dict(arch=dict(optimizer=dict(type='Adam', lr=0.01)))\n"
    config.write_text(text + choose + (arch if name == 'gdas' else ''))
    assert call('search.py', config, '--work-dir', tmp_path / 'work') != 0
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{name.upper()} needs training: train_cfg=dict(type='ppnas_mm.SearchLoop'" in error
    assert not (tmp_path / 'work/genotype.json').exists()


def test_naswot_with_fewer_images_than_asked_for_takes_all(tmp_path: Path) -> None:
    config = write_search('naswot', tmp_path)
    options = ['--cfg-options', 'model.images=1000']
    assert call('search.py', config, '--work-dir', tmp_path / 'work', *options) == 0
    assert record_of(tmp_path / 'work')['result']['weights'] == NONE
