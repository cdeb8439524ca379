"""The GPU check: its runner, its page, its data and its parts, on a CPU."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tool import ROOT, call
from zoo import NETWORKS

from ppnas_mm.benchmarks.gpu_check import cifar, forwards, latencies, page, run, searches
from ppnas_mm.benchmarks.gpu_check.images import augment, load, read_pack
from ppnas_mm.benchmarks.gpu_check.parts import (
    PARTS,
    Options,
    Part,
    attempt,
    finite,
    part_named,
    read_rows,
    write_rows,
)
from ppnas_mm.config.keys import ConfigError

PACKS = ROOT.parent / 'shared/data/cifar10'
SCRIPT = ROOT / 'tools/gpu_check.sh'


def options(out: Path, **given: Any) -> Options:
    return Options('cpu', True, out, None, time.time() + 1000, **given)


# -- the runner ------------------------------------------------------------------------------------

TOOL = """
import json, sys, time
name = sys.argv[2]
rows = open(sys.argv[sys.argv.index('--rows') + 1], 'w')
rows.write(json.dumps({'what': name, 'value': 1.5}) + chr(10))
rows.flush()
if name == 'fails':
    print('Traceback ...')
    sys.exit('ValueError: this went wrong')
if name == 'hangs':
    rows.write('{"cut')
    rows.flush()
    time.sleep(1000)
if name == 'wrong':
    rows.write(json.dumps({'what': name, 'ok': False}))
"""


def run_fakes(tmp_path: Path, *names: str, minutes: float, share: float = 0.5) -> dict[str, Any]:
    tool = tmp_path / 'fake.py'
    tool.write_text(TOOL)
    parts = [Part(name, f'the part {name}', share) for name in names]
    plan = run.Plan(tmp_path / 'out', minutes, 'cpu', True, None, parts, time.time())
    return run.check(plan, tool, 'the command')


def test_a_part_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    record = run_fakes(tmp_path, 'works', 'fails', 'wrong', minutes=2)
    assert [part['status'] for part in record['parts']] == ['done', 'failed', 'done']
    assert record['parts'][1]['error'] == 'ValueError: this went wrong'
    assert record['parts'][1]['rows'] == [{'what': 'fails', 'value': 1.5}]
    written = json.loads((tmp_path / 'out/gpu_check.json').read_text())
    assert written == record
    assert 'this went wrong' in (tmp_path / 'out/gpu_check.log').read_text()
    assert run.wrong(record) == [
        'fails: ValueError: this went wrong', "wrong: {'what': 'wrong', 'ok': False}"
    ]  # fmt: skip
    left = sorted(p.name for p in (tmp_path / 'out').iterdir())
    assert left == ['gpu_check.json', 'gpu_check.log', 'gpu_check.md']


def test_a_part_ends_at_its_limit_and_its_rows_count(tmp_path: Path) -> None:
    start = time.time()
    record = run_fakes(tmp_path, 'hangs', 'works', minutes=0.5, share=0.4)
    assert [part['status'] for part in record['parts']] == ['out of time', 'done']
    assert record['parts'][0]['rows'] == [{'what': 'hangs', 'value': 1.5}]
    assert time.time() - start < 30


def test_the_run_ends_in_its_time(tmp_path: Path) -> None:
    start = time.time()
    record = run_fakes(tmp_path, 'hangs', 'hangs', 'works', minutes=0.4, share=0.9)
    assert [part['status'] for part in record['parts']][1:] == ['out of time', 'out of time']
    assert time.time() - start < 24


def test_shares_leave_time_for_the_last_part() -> None:
    assert sum(part.share for part in PARTS[:-1]) < 0.9
    assert len({part.name for part in PARTS}) == len(PARTS) == 6
    with pytest.raises(ValueError, match="part 'x': expected one of"):
        part_named('x')
    with pytest.raises(ValueError, match="part 'x': expected one of"):
        run.chosen(['x'])
    assert [p.name for p in run.chosen(['cifar', 'forwards'])] == ['forwards', 'cifar']


# -- the page --------------------------------------------------------------------------------------


def test_the_page_is_that_of_the_records() -> None:
    text = (ROOT / 'docs/results/gpu.md').read_text()
    assert page.render(ROOT / 'docs/results/gpu.md', ROOT / 'docs/gpu') == text
    if not list((ROOT / 'docs/gpu').glob('*.json')):
        assert 'No run on a GPU yet' in text
    assert call('gpu_check.py', 'page', '--check') == 0


def test_a_record_becomes_tables(tmp_path: Path) -> None:
    record = run_fakes(tmp_path, 'works', 'fails', minutes=2)
    record.update(tiny=False, date='2030-01-02')
    record['parts'][0]['rows'].insert(0, {'card': 'A card', 'torch': '2.11'})
    folder = tmp_path / 'records'
    folder.mkdir()
    (folder / 'a.json').write_text(json.dumps(record))
    (folder / 'tiny.json').write_text(json.dumps({**record, 'tiny': True, 'date': '2031-01-01'}))
    target = tmp_path / 'gpu.md'
    target.write_text('above\n<!-- gpu: results -->\nold\n<!-- end -->\nbelow\n')
    assert page.update(target, folder) and not page.update(target, folder)
    text = target.read_text()
    assert text.startswith('above\n') and text.endswith('below\n') and 'old' not in text
    assert '## A card, 2030-01-02' in text and '2031' not in text
    assert re.search(r'\| what +\| value \|', text) and '| works |   1.5 |' in text
    assert '`ValueError: this went wrong`' in text


def test_other_files_are_refused(tmp_path: Path) -> None:
    target = tmp_path / 'gpu.md'
    target.write_text('no block')
    with pytest.raises(ConfigError, match='expected one block'):
        page.render(target, tmp_path)
    target.write_text('<!-- gpu: results -->\n<!-- end -->')
    (tmp_path / 'x.json').write_text('{"parts": 3}')
    with pytest.raises(ConfigError, match=r'x\.json: not a gpu_check\.json'):
        page.render(target, tmp_path)


# -- data ------------------------------------------------------------------------------------------


def test_packs_are_the_official_images() -> None:
    if not PACKS.is_dir():
        pytest.skip(f'{PACKS} is not there')
    images, labels = read_pack(PACKS / 'test_batch.npz')
    assert images.shape == (10000, 32, 32, 3) and images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [1000] * 10
    assert labels[:5].tolist() == [3, 8, 8, 0, 6]  # cat, ship, ship, plane, frog
    train, test = load(PACKS, 'cpu', 100)
    assert (train.name, len(train.labels), len(test.labels)) == ('CIFAR-10', 100, 100)
    assert torch.equal(test.pixels, torch.from_numpy(images[:100]).permute(0, 3, 1, 2))


def test_digits_stand_in() -> None:
    train, test = load(None, 'cpu')
    assert (train.name, train.flip) == ('digits', False)
    assert train.pixels.shape == (1437, 3, 32, 32) and test.pixels.shape == (360, 3, 32, 32)
    assert bool((train.pixels[:, :, ::4, ::4] == train.pixels[:, :, 3::4, 3::4]).all())


def test_augmentation_crops_and_mirrors() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(1, 256, (64, 3, 32, 32), generator=generator).byte()
    made = augment(pixels, torch.Generator().manual_seed(1), flip=True)
    padded = torch.nn.functional.pad(pixels, [4] * 4)
    spots = []
    for one, whole in zip(made, padded, strict=True):
        views = {
            (top, left, mirrored): view.flip(2) if mirrored else view
            for top in range(9)
            for left in range(9)
            for mirrored in (False, True)
            for view in [whole[:, top : top + 32, left : left + 32]]
        }
        (spot,) = [key for key, view in views.items() if torch.equal(one, view)]
        spots.append(spot)
    assert len({s[:2] for s in spots}) > 30 and 16 < sum(s[2] for s in spots) < 48
    plain = augment(pixels, torch.Generator().manual_seed(1), flip=False)
    assert torch.equal(plain[0], padded[0, :, spots[0][0] :, spots[0][1] :][:, :32, :32])


def test_an_epoch_shows_every_image_once() -> None:
    train, _ = load(None, 'cpu', 50)
    seen = torch.cat([labels for _, labels in train.batches(16, seed=3)])
    assert sorted(seen.tolist()) == sorted(train.labels.tolist())
    assert [len(x) for x, _ in train.batches(16, seed=3)] == [16, 16, 16, 2]
    assert [len(x) for x, _ in train.batches(16, seed=3, drop_last=True)] == [16, 16, 16]
    x, _ = next(train.batches(50))
    torch.testing.assert_close(x, train.pixels / 127.5 - 1)


# -- parts -----------------------------------------------------------------------------------------


def test_every_backbone_is_checked() -> None:
    assert {f'ppnas_mm.{name}' for name in forwards.BACKBONES} == set(NETWORKS)


def test_a_wrong_forward_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(forwards.compare('PPResNetCIFAR', options(tmp_path)))
    assert [row['type'] for row in rows] == ['fp32', 'bf16'] and all(row['ok'] for row in rows)
    real = torch.nn.Conv2d.forward

    def faulty(self: Any, x: Any) -> Any:
        return real(self, x) * (1.5 if torch.is_autocast_enabled('cpu') else 1.0)

    monkeypatch.setattr(torch.nn.Conv2d, 'forward', faulty)
    rows = list(forwards.compare('PPResNetCIFAR', options(tmp_path)))
    assert [row['ok'] for row in rows] == [True, False]


def test_searches_are_compared(tmp_path: Path) -> None:
    row = searches.compare('ppnas_digits', options(tmp_path), tmp_path)
    assert row['ok'] and row['distance_resumed'] == 0.0
    assert 0 < row['distance_amp'] < row['distance_seed']


def test_a_search_that_breaks_off_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, 'SEARCHES', {'ppnas_digits': {}, 'cdarts_digits': {}})

    def compare(name: str, given: Options, folder: Path) -> dict[str, Any]:
        if name == 'ppnas_digits':
            raise ValueError('not\non this card')
        return {'search': name, 'ok': True}

    monkeypatch.setattr(searches, 'compare', compare)
    broken, good = searches.rows(options(tmp_path))
    assert broken['error'] == 'ValueError: not on this card' and broken['ok'] is False
    assert good == {'search': 'cdarts_digits', 'ok': True}


@pytest.mark.parametrize('name', searches.SEARCHES)
def test_every_search_of_the_check_can_be_built(name: str, tmp_path: Path) -> None:
    """Options that its config or schedule refuses are found here, not on the lent machine."""
    runner = searches.runner(name, options(tmp_path), tmp_path)
    loop = runner.train_loop
    assert loop.max_epochs == searches.EPOCHS.get(name, 2)


def test_the_first_input_is_that_of_the_target() -> None:
    order = latencies.inputs(tiny=False)
    assert order[:2] == [('fp16', 32, ('compiled',)), ('fp16', 32, ('eager', 'deployed'))]
    assert len(order) == len(set(order)) == 18
    medians = {'ResNet-50-vd': 2.0, 'Res2Net-50-vd': 3.0, 'PP-ResNet-50': 2.8}
    rows = list(latencies.targets(medians, *latencies.FIRST))
    assert [(row['seen'], row['met']) for row in rows] == [(1.4, False), (2.8 / 3, True)]


def test_cifar_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    size = cifar.TINY
    train, test = load(None, 'cpu', 48)
    runs = {}
    for name in ('straight', 'stopped'):
        (tmp_path / name).mkdir()
        runs[name] = cifar.Run(size, options(tmp_path / name), train)
        runs[name].train_epoch()
        runs[name].save()
    again = cifar.Run(size, options(tmp_path / 'stopped'), train)
    assert (again.epoch, again.phase) == (1, 'search')
    runs['straight'].optimizers['weights'].optimizer.state.clear()  # momentum is not kept
    for one in (runs['straight'], again):
        one.train_epoch()
    states = [one.model.state_dict() for one in (runs['straight'], again)]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    other, _ = load(None, 'cpu', 32)
    with pytest.raises(ConfigError, match=r"trained on \['digits', 48\], here is \['digits', 32\]"):
        cifar.Run(size, options(tmp_path / 'stopped'), other)
    genotype, network = again.derived()
    again.start(genotype.to_dict())
    assert again.phase == 'training' and again.model.backbone.genotype == genotype
    again.train_epoch()
    again.save()
    assert cifar.Run(size, options(tmp_path / 'stopped'), train).phase == 'training'
    assert 0 <= again.accuracy(test, network) <= 100


def test_rows_are_numbers_or_none_and_a_part_goes_on() -> None:
    def broken() -> Any:
        yield {'a': 1}
        raise RuntimeError('out\nof memory')

    first, second = attempt({'what': 'x'}, broken)
    assert first == {'a': 1}
    assert second == {'what': 'x', 'error': 'RuntimeError: out of memory', 'ok': False}
    assert finite({'a': float('nan'), 'b': float('inf'), 'c': 1.5, 'd': 'x'}) == {
        'a': None, 'b': None, 'c': 1.5, 'd': 'x',
    }  # fmt: skip


def test_rows_of_a_cut_file_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Part, 'rows', lambda self, given: iter([{'a': 1}, {'a': 2}]))
    write_rows(PARTS[0], options(tmp_path), tmp_path / 'rows')
    assert read_rows(tmp_path / 'rows') == [{'a': 1}, {'a': 2}]
    (tmp_path / 'rows').write_text('{"a": 1}\n{"a"')
    assert read_rows(tmp_path / 'rows') == [{'a': 1}]
    assert read_rows(tmp_path / 'none') == []


# -- the script ------------------------------------------------------------------------------------


def script(*arguments: Any) -> subprocess.CompletedProcess:
    command = ['bash', str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_script_says_what_is_missing(tmp_path: Path) -> None:
    done = script('--from', tmp_path / 'none', '--out', tmp_path / 'out')
    assert done.returncode == 2 and '--pack' in done.stderr and 'no wheels' in done.stderr
    assert script('--pack').returncode == 2
    assert script('--pack', tmp_path / 'p', '--nonsense', 'x').returncode == 2
    shown = script('--help')
    assert shown.returncode == 0 and '--tiny' in shown.stdout and '#' not in shown.stdout


def test_the_pack_has_the_versions_that_are_tested() -> None:
    packed, tested = (
        set(re.findall(r'^onedl.*', (ROOT / 'requirements' / name).read_text(), re.M))
        for name in ('gpu.txt', 'runtime.txt')
    )
    assert packed == {line for line in tested if 'mmdetection' not in line} and len(packed) == 4
