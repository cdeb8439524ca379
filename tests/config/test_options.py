"""Options of the command line: read as mmengine reads them, but nothing is lost."""

from argparse import ArgumentParser

import pytest
from mmengine.config import DictAction

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.options import Options, option_word, read_value

LIKE_MMENGINE = (
    '1', '1e-3', 'true', 'None', 'abc', '1,2', '[1,2]', '(1,2)', '[a,b]', '[(1,2),(a,b)]', '[]',
    'mean', '"quoted"', '/a/b.py', '[[1, 2], [3]]', '(8)', '[true, None]', "a=b", '0.1,0.2',
)  # fmt: skip
KEPT = (
    1, 0.001, True, None, 'abc', [1, 2], (1, 2), ['a', 'b c'], '/my data/cifar (1)',
    [{'type': 'Resize', 'scale': 16}, {'type': 'PackInputs'}], {'type': 'SGD'}, [], (), (1,),
    ['1', 'true'], [None], 'trüb',
)  # fmt: skip


@pytest.mark.parametrize('text', LIKE_MMENGINE)
def test_values_are_those_of_mmengine(text):
    assert read_value(text) == DictAction._parse_iterable(text)
    assert type(read_value(text)) is type(DictAction._parse_iterable(text))


@pytest.mark.parametrize('value', KEPT, ids=repr)
def test_a_word_carries_its_value(value):
    key, _, text = option_word('a.b', value).partition('=')
    assert key == 'a.b'
    assert read_value(text) == value
    assert type(read_value(text)) is type(value)


@pytest.mark.parametrize('value', ['a,b', '1', 'true', ' x', '[a]', float('nan')], ids=repr)
def test_what_no_word_carries_is_refused(value):
    with pytest.raises(ConfigError, match=r'cannot be an option of a command'):
        option_word('a.b', value)


def test_code_is_not_run():
    assert read_value('[__import__("os").getcwd()]') == ['__import__("os").getcwd()']


@pytest.mark.parametrize('words', [['a'], ['a=[1,(2]']])
def test_wrong_words_end_with_their_option(words, capsys):
    parser = ArgumentParser()
    parser.add_argument('--limits', nargs='+', action=Options)
    with pytest.raises(SystemExit):
        parser.parse_args(['--limits', *words])
    assert '--limits' in capsys.readouterr().err.splitlines()[-1]


def test_each_option_keeps_its_own_words():
    parser = ArgumentParser()
    for name in ('--cfg-options', '--limits'):
        parser.add_argument(name, nargs='+', action=Options)
    args = parser.parse_args(['--cfg-options', 'a=1', 'b=x y', '--limits', 'flops=2e6'])
    assert args.cfg_options_words == ['a=1', 'b=x y']
    assert args.limits == {'flops': 2e6}
    assert args.cfg_options == {'a': 1, 'b': 'x y'}
