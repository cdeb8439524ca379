"""``hf://USER/NAME`` against a hub on this machine: what is read, and what is refused."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from entries import DIGITS, ENTRY, INDEX
from hub_server import HubServer, hub_server, oid
from mmengine.runner import CheckpointLoader

from ppnas_mm import zoo
from ppnas_mm.registry import MODELS
from ppnas_mm.weights import hub
from ppnas_mm.weights.checkpoint import CheckpointError, load_checkpoint
from ppnas_mm.weights.index import ZooError

FILE = INDEX.parent / ENTRY['urls'][0]
SAID = {**ENTRY, 'urls': ['model.safetensors'], 'genotype': 'genotype.json'}
NAME = 'hf://someone/digits'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub with the digits' weights."""
    pytest.importorskip('huggingface_hub', reason="pip install 'ppnas_mm[hub]'")
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setenv('PPNAS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.delenv('PPNAS_OFFLINE', raising=False)
    with hub_server() as server:
        monkeypatch.setenv('HF_ENDPOINT', server.url)
        entry = json.dumps(SAID).encode()
        files = {'model.safetensors': FILE.read_bytes(), 'entry.json': entry}
        server.add('someone/digits', files)
        yield server


def same(model: Any, other: Any) -> bool:
    """Whether two networks have the same tensors."""
    state = other.state_dict()
    return all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_a_whole_network(server: HubServer) -> None:
    model = zoo.load(NAME)
    assert same(model, zoo.load(DIGITS)) and model.dataset_meta['classes'] == tuple('0123456789')


def test_a_checkpoint_path(server: HubServer) -> None:
    state = load_checkpoint(NAME)['state_dict']
    assert CheckpointLoader.load_checkpoint(NAME)['state_dict'].keys() == state.keys()
    whole = zoo.load(DIGITS)
    settings = {**whole.cfg.model.backbone, 'init_cfg': dict(type='Pretrained', checkpoint=NAME)}
    net = MODELS.build(settings)
    net.init_weights()
    assert same(net, whole.backbone)


def test_a_revision_and_another_file(server: HubServer) -> None:
    server.add(
        'someone/digits', {'model.safetensors': b'new', 'old.safetensors': FILE.read_bytes()}
    )
    with pytest.raises(CheckpointError, match='damaged'):
        load_checkpoint(NAME)
    for name in (f'{NAME}@{oid("someone/digits", 0)}', f'{NAME}/old.safetensors'):
        assert len(load_checkpoint(name)['state_dict']) > 200
    with pytest.raises(ZooError, match=r"no revision 'v9'"):
        load_checkpoint(f'{NAME}@v9')


def test_without_a_net_what_is_in_the_cache_serves(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PPNAS_OFFLINE', '1')
    with pytest.raises(ZooError, match='PPNAS_OFFLINE'):
        load_checkpoint(NAME)
    assert not server.log
    monkeypatch.delenv('PPNAS_OFFLINE')
    load_checkpoint(NAME)
    asked = len(server.log)
    monkeypatch.setenv('PPNAS_OFFLINE', '1')
    load_checkpoint(NAME)
    assert len(server.log) == asked


def test_nothing_but_safetensors_is_downloaded(server: HubServer) -> None:
    server.add('someone/pickle', {'model.pth': b'x', 'pytorch_model.bin': b'x'})
    for name in ('hf://someone/pickle/model.pth', 'hf://someone/pickle/pytorch_model.bin'):
        with pytest.raises(ZooError, match=r'only \.safetensors'):
            load_checkpoint(name)
    assert not server.log
    with pytest.raises(ZooError, match=r'no file model\.safetensors'):
        load_checkpoint('hf://someone/pickle')
    assert all('pickle/resolve/main/model.safetensors' in line for line in server.log)


def test_what_is_not_there_is_told(server: HubServer) -> None:
    with pytest.raises(ZooError, match='hf://no/body: no such repository'):
        load_checkpoint('hf://no/body')
    server.refuse = 'HEAD /someone'
    with pytest.raises(ZooError, match='hf://someone/digits: ') as info:
        load_checkpoint(NAME)
    assert '\n' not in str(info.value)


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    'a config outside': ({'config': '../../evil.py'}, 'config'),
    'a config that we lack': ({'config': 'configs/classification/mine.py'}, 'has no configs'),
    'another genotype': ({'genotype_hash': '0' * 64}, 'genotype'),
    'another file': ({'sha256': '0' * 64}, 'SHA-256'),
    'an unknown key': ({'code': 'import os'}, 'code'),
}


@pytest.mark.parametrize('case', HOSTILE)
def test_a_hostile_entry_is_refused(case: str, server: HubServer) -> None:
    changes, words = HOSTILE[case]
    server.add('someone/digits', {'entry.json': json.dumps({**SAID, **changes}).encode()})
    with pytest.raises((ZooError, CheckpointError), match=words) as info:
        zoo.load(NAME)
    assert '\n' not in str(info.value)


@pytest.mark.parametrize('content', [b'', b'[]', b'<html>', b'{"name": 1, "name": 2}'])
def test_an_entry_that_is_none_is_refused(content: bytes, server: HubServer) -> None:
    server.add('someone/digits', {'entry.json': content})
    with pytest.raises(ZooError, match=r'entry\.json'):
        zoo.load(NAME)


@pytest.mark.parametrize(
    'name', ['hf://', 'hf://a', 'hf://a/b/../c.safetensors', 'hf://a/b?x', 'hf://../b', 'hf://a/b@']
)
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ZooError, match='hf://USER/NAME'):
        load_checkpoint(name)


def test_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(ZooError, match=r"pip install 'ppnas_mm\[hub\]'"):
        load_checkpoint(NAME)
    with pytest.raises(ZooError, match=r'ppnas_mm\[hub\]'):
        hub.check_repository('someone/digits')


@pytest.mark.parametrize('name', ['digits', 'a/b/c', '../x', '', 'a b/c'])
def test_a_repository_that_cannot_be(name: str) -> None:
    with pytest.raises(ZooError, match='USER/NAME'):
        hub.check_repository(name)
