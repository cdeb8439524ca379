"""The tools end to end, on a tiny search: what each leaves behind and how they fit together."""

import json
import re
from importlib import import_module
from xml.etree import ElementTree

import pytest
import torch
from safetensors import safe_open
from tool import DIGITS, RETRAIN, ROOT, TINY, TINY_TRAIN, call

from ppnas_mm import Genotype
from ppnas_mm.cli.errors import run_tool
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config, replace_sync_bn
from ppnas_mm.weights.checkpoint import load_checkpoint


@pytest.fixture(scope='module')
def search(tmp_path_factory):
    folder = tmp_path_factory.mktemp('search')
    tensorboard = 'visualizer.vis_backends.0.type=TensorboardVisBackend'
    assert call('search.py', DIGITS, '--work-dir', folder, '--cfg-options', *TINY, tensorboard) == 0
    return folder


@pytest.mark.parametrize('tool', sorted(p.name for p in (ROOT / 'tools').glob('*.py')))
def test_every_tool_has_help_with_an_example(tool, capsys):
    assert call(tool, '--help') == 0
    assert f'python tools/{tool}' in capsys.readouterr().out


def test_search_leaves_its_results(search):
    genotype = Genotype.load(search / 'genotype.json')
    assert genotype.provenance['status'] == 'derived'
    assert genotype.provenance['search']['epoch'] == 4
    record = json.loads((search / 'search.json').read_text())
    picture = ElementTree.parse(search / 'genotype.svg').getroot()
    score = record['result']['derived']['metrics']['accuracy/top1']
    assert f'ppnas_digits, seed 0, top-1 {score:.2f}' in map(str.strip, picture.itertext())
    assert [entry['epoch'] for entry in record['epochs']] == [1, 2, 3, 4]
    assert record['seed'] == 0 and record['result']['genotype'] == genotype.hash
    for entry in record['epochs']:
        assert {'loss', 'loss_task', 'loss_zero_one', 'loss_connection'} <= entry['losses'].keys()
        for name, values in entry['architecture'].items():
            assert len(values) == len(record['choices'][name]['candidates'])
    with safe_open(search / 'derived.safetensors', 'pt') as file:
        assert Genotype.from_json(file.metadata()['genotype']) == genotype
    assert list(search.rglob('events.out.tfevents*'))


def test_the_log_tells_time_left_and_architecture(search):
    log = next(search.glob('*/*.log')).read_text()
    assert 'eta:' in log
    share = re.findall(r'after epoch (\d): (\d+)% of 66 connections decided', log)
    assert [int(epoch) for epoch, _ in share] == [1, 2, 3, 4]
    record = json.loads((search / 'search.json').read_text())
    gates = [
        value
        for name, values in record['epochs'][-1]['architecture'].items()
        for value in values
        if record['choices'][name]['gates']
    ]
    decided = sum(v > 0.9 or v < 0.1 for v in gates) / len(gates)
    assert int(share[-1][1]) == round(100 * decided)


def test_checkpoints_hold_data_only(search):
    paths = sorted(search.glob('epoch_*.pth'))
    assert [p.name for p in paths] == ['epoch_3.pth', 'epoch_4.pth']
    for path in paths:
        data = torch.load(path, weights_only=True)
        assert data['meta']['ppnas_mm']['space'] == 'ppconv'


def test_derive_repeats_the_derivation(search, tmp_path):
    assert call('derive.py', search, '--out', tmp_path) == 0
    for name in ('genotype.json', 'derived.safetensors', 'genotype.svg'):
        assert (tmp_path / name).read_bytes() == (search / name).read_bytes()


def test_derived_weights_score_what_the_search_said(search, capsys):
    arguments = [RETRAIN, search / 'derived.safetensors', '--genotype', search / 'genotype.json']
    options = [*TINY_TRAIN[:3], 'test_dataloader.dataset.indices=40']
    capsys.readouterr()
    work = ['--work-dir', search / 'test']
    assert call('test.py', *arguments, *work, '--cfg-options', *options) == 0
    printed = re.findall(r'accuracy/top1: ([\d.]+)', capsys.readouterr().out)
    record = json.loads((search / 'search.json').read_text())
    expected = record['result']['derived']['metrics']['accuracy/top1']
    assert float(printed[-1]) == pytest.approx(expected, abs=5e-3)


def test_train_from_a_genotype_and_from_weights(search, tmp_path):
    options = ['--cfg-options', *TINY_TRAIN]
    genotype = ['--genotype', search / 'genotype.json']
    weights = ['--init-from', search / 'derived.safetensors']
    lr = 'optim_wrapper.optimizer.lr=0.0'
    assert call('train.py', RETRAIN, *genotype, '--work-dir', tmp_path / 'a', *options) == 0
    assert (
        call('train.py', RETRAIN, *genotype, *weights, '--work-dir', tmp_path / 'b', *options, lr)
        == 0
    )
    result = json.loads((tmp_path / 'a/result.json').read_text())
    assert result['genotype'] == Genotype.load(search / 'genotype.json').hash
    trained = load_checkpoint(tmp_path / 'b/epoch_1.pth')['state_dict']
    inherited = load_checkpoint(search / 'derived.safetensors')['state_dict']
    for key, value in inherited.items():  # with a learning rate of 0 only statistics move
        if 'running' not in key and 'tracked' not in key:
            assert torch.equal(trained[key], value), key


def test_a_second_run_keeps_the_first_one(search, tmp_path):
    options = ['--cfg-options', *TINY_TRAIN]
    for seed in (0, 1):
        assert call('train.py', RETRAIN, '--work-dir', tmp_path, '--seed', seed, *options) == 0
    assert json.loads((tmp_path / 'result.json').read_text())['seed'] == 1
    assert json.loads((tmp_path / 'earlier_1/result.json').read_text())['seed'] == 0
    assert (tmp_path / 'earlier_1/epoch_1.pth').is_file()


def test_search_that_fails_to_derive_says_so(tmp_path, capsys):
    """Table VIII: without zero-one loss nothing passes the threshold."""
    config = ROOT / 'configs/search/ppnas_digits_no-zero-one.py'
    slow = 'optim_wrapper.arch.optimizer.lr=0.001'
    options = [*(o for o in TINY if 'arch' not in o), slow]
    assert call('search.py', config, '--work-dir', tmp_path, '--cfg-options', *options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: DegenerateArchitectureError')
    assert 'stage1 node 4 has no input' in error and 'more epochs' in error
    genotype = Genotype.load(tmp_path / 'genotype.json')
    assert genotype.provenance['status'].startswith('failed: degenerate architecture')
    assert not (tmp_path / 'config.py').exists()
    assert not (tmp_path / 'derived.safetensors').exists()
    result = json.loads((tmp_path / 'search.json').read_text())['result']
    assert 'stage1 node 4 has no input' in result['failed']


def test_random_search_ends_in_what_it_drew(tmp_path):
    config = ROOT / 'configs/search/random_digits.py'
    options = [o for o in TINY if 'arch' not in o]
    assert call('search.py', config, '--work-dir', tmp_path, '--cfg-options', *options) == 0
    genotype = Genotype.load(tmp_path / 'genotype.json')
    last = json.loads((tmp_path / 'search.json').read_text())['epochs'][-1]['architecture']
    for cell in genotype.cells:
        read = set()
        for node, (edge,) in enumerate(cell.nodes, cell.inputs):
            kept = [i for i, v in enumerate(last[f'{cell.name}/node{node}/inputs']) if v]
            assert tuple(kept) == edge.sources
            read |= set(edge.sources)
        assert set(range(cell.inputs)) <= read  # constrained: no input group is dropped


def test_compare_trains_any_configs_and_does_not_repeat(tmp_path, capsys):
    config = tmp_path / 'baseline.py'
    config.write_text(f"_base_ = '{ROOT}/configs/classification/resnet20_digits.py'\n")
    command = ['compare.py', '--seeds', 2, '--work-dir', tmp_path / 'runs']
    command += ['--configs', config, '--cfg-options', *TINY_TRAIN]
    assert call(*command) == 0
    assert '[2/2' in capsys.readouterr().out
    scores = [
        json.loads((tmp_path / f'runs/baseline-{seed}/result.json').read_text())['metrics']
        for seed in range(2)
    ]
    values = [score['accuracy/top1'] for score in scores]
    mean, spread = sum(values) / 2, abs(values[0] - values[1]) / 2**0.5
    assert call(*command) == 0
    printed = capsys.readouterr().out
    assert '[2/2' not in printed
    row = next(line for line in printed.splitlines() if line.startswith('| baseline'))
    assert f'{mean:.2f} ± {spread:.2f}' in row
    before = (tmp_path / 'runs/baseline-0/result.json').read_bytes()
    assert call(*command, 'optim_wrapper.optimizer.lr=0.02') == 2  # another run is not taken for it
    assert 'optim_wrapper.optimizer.lr' in capsys.readouterr().err
    assert (tmp_path / 'runs/baseline-0/result.json').read_bytes() == before
    assert call('compare.py', '--work-dir', tmp_path / 'none', '--cfg-options', 'a=1') == 2
    assert '--configs or --searches' in capsys.readouterr().err


def test_sync_bn_becomes_bn_where_there_is_no_gpu():
    config = dict(
        norm_cfg=dict(type='SyncBN', eps=1e-3),
        parts=[dict(norm_cfg=dict(type='SyncBN')), 'SyncBN', None, 3],
        nested=dict(norm_cfg=dict(type='GN', num_groups=2)),
    )
    replace_sync_bn(config)
    assert config == dict(
        norm_cfg=dict(type='BN', eps=1e-3),
        parts=[dict(norm_cfg=dict(type='BN')), 'SyncBN', None, 3],
        nested=dict(norm_cfg=dict(type='GN', num_groups=2)),
    )


@pytest.mark.parametrize(
    'name', ['detection/gflv2_pp-resnet50_coco', 'detection/gflv2_pp-resnet50_voc0712',
             'segmentation/deeplabv3plus_pp-resnet50-d8_cityscapes'],
)  # fmt: skip
def test_one_option_points_all_data_sets_to_another_folder(name):
    path = ROOT / 'configs' / f'{name}.py'
    before, after = (str(load_config(path, o)) for o in ({}, {'data_root': '/elsewhere'}))
    assert before.count("'data/") == after.count("'/elsewhere") >= 3
    assert "'data/" not in after


def test_data_root_needs_a_data_set_with_a_folder():
    with pytest.raises(ConfigError, match='data_root'):
        load_config(RETRAIN, {'data_root': '/elsewhere'})


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('train', 'interrupted; --resume continues after the last finished epoch'),
        ('study', 'interrupted; the same command goes on'),
        ('export', 'interrupted'),
    ],
)
def test_an_interrupt_says_how_to_go_on(
    name: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    main.__module__ = import_module(f'ppnas_mm.cli.{name}').main.__module__
    monkeypatch.setattr('ppnas_mm.cli.errors.close', lambda: None)
    monkeypatch.setattr('ppnas_mm.cli.errors.quieten', lambda tables: None)
    with pytest.raises(SystemExit) as stop:
        run_tool(main)
    assert stop.value.code == 130 and capsys.readouterr().err == f'{words}\n'
