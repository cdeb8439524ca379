"""A found network says config, seed and score; a published one its name."""

import json

import pytest
from svg import parse, words
from tool import call

from ppnas_mm.genotype import Genotype
from ppnas_mm.visualize.genotype import draw_genotype
from ppnas_mm.visualize.titles import found_title

CELLS = Genotype.load('pp_resnet_cifar10').cells
SEARCH = dict(algorithm='PPNAS', config='ppnas_digits.py', seed=3, epoch=20, epochs=20)


def found(**provenance):
    return Genotype('ppconv', CELLS, provenance)


def record(metrics, genotype=None):
    derived = dict(metrics=metrics, parameters=9)
    return dict(result=dict(genotype=genotype or found().hash, derived=derived), epochs=[])


@pytest.mark.parametrize(
    ('metrics', 'words'),
    [
        ({'accuracy/top1': 99.1666}, ', top-1 99.17'),
        ({'coco/bbox_mAP_50': 0.5, 'coco/bbox_mAP': 0.3512}, ', box AP 0.351'),
        ({'aAcc': 90.0, 'mIoU': 55.5, 'mAcc': 60.0}, ', mIoU 55.50'),
        ({'of_mine': 7}, ', of_mine 7.00'),
        ({}, ''),
    ],
)
def test_config_seed_and_score(metrics, words):
    assert found_title(found(search=SEARCH), record(metrics)) == f'ppnas_digits, seed 3{words}'


def test_what_is_not_known_is_not_said():
    assert found_title(found()) is None
    assert found_title(found(search='by hand')) is None
    assert found_title(Genotype.load('pp_resnet_cifar10')) is None
    assert found_title(found(search=SEARCH)) == 'ppnas_digits, seed 3'
    unnamed = SEARCH | dict(config='', seed=None)
    assert found_title(found(search=unnamed)) == 'PPNAS'
    early = found(search=SEARCH | dict(epoch=4))
    assert found_title(early) == 'ppnas_digits, seed 3, epoch 4 of 20'


@pytest.mark.parametrize(
    'other',
    [
        None,
        7,
        [],
        {},
        {'result': None},
        {'result': {'failed': 'nothing'}},
        record({'accuracy/top1': 'high'}),
        record({'accuracy/top1': 99.0}, genotype='0' * 64),
        record(None),
    ],
)
def test_a_record_without_the_score_or_of_another_architecture(other):
    assert found_title(found(search=SEARCH), other) == 'ppnas_digits, seed 3'


def test_a_title_is_one_line_of_bounded_length():
    title = found_title(found(search=dict(config='a\n' * 500, seed='\x07')))
    assert title.isprintable() and len(title) <= 120


def title(path, tmp_path, *options):
    assert call('visualize.py', path, '--out', tmp_path / 'a.svg', *options) == 0
    return words(parse(tmp_path / 'a.svg'))


def test_the_tool_takes_the_score_from_the_record_beside_the_file(tmp_path):
    file = tmp_path / 'genotype.json'
    found(search=SEARCH, status='derived').save(file)
    before = file.read_bytes()
    assert 'ppnas_digits, seed 3' in title(file, tmp_path)
    (tmp_path / 'search.json').write_text(json.dumps(record({'accuracy/top1': 99.1666})))
    assert 'ppnas_digits, seed 3, top-1 99.17' in title(file, tmp_path)
    (tmp_path / 'search.json').write_text('{"result": ')
    assert 'ppnas_digits, seed 3' in title(file, tmp_path)
    assert 'mine' in title(file, tmp_path, '--title', 'mine')
    assert file.read_bytes() == before
    found().save(tmp_path / 'by_hand.json')
    assert 'by_hand' in title(tmp_path / 'by_hand.json', tmp_path)
    assert 'pp_resnet_cifar10' in title('pp_resnet_cifar10', tmp_path)


def test_the_function_names_the_search_by_itself(tmp_path):
    draw_genotype(found(search=SEARCH), tmp_path / 'a.svg')
    assert 'ppnas_digits, seed 3' in words(parse(tmp_path / 'a.svg'))
    draw_genotype(found(search=SEARCH), tmp_path / 'a.svg', '')
    assert 'ppnas_digits, seed 3' not in words(parse(tmp_path / 'a.svg'))
