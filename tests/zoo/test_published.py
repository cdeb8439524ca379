"""Weights that authors published: fetched, converted once, used everywhere; or refused in a line.

Zips are made here, of small networks with the release's names; ``tests/slow/test_releases.py``
takes zips of full size that TensorFlow wrote.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import releases
import tf_writer
import torch
from flaky import PAGE, FlakyServer, flaky
from mmengine.optim import build_optim_wrapper
from mmengine.runner import CheckpointLoader
from releases import ENTRIES, KINDS, SMALL, Release, digits, small, write_zoo
from tasks import detector, detector_batch
from tool import ROOT, call

from ppnas_mm import zoo
from ppnas_mm.registry import MODELS
from ppnas_mm.utils.files import write_json
from ppnas_mm.weights import download, fetch
from ppnas_mm.weights import index as zoo_index
from ppnas_mm.weights.checkpoint import CheckpointError, load_checkpoint
from ppnas_mm.weights.converted import receipt
from ppnas_mm.weights.index import ZooError, file_hash
from ppnas_mm.zoo import model, verify

NAME = 'pp_resnet50.imagenet'
ONE_OF_EACH = ('pp_resnet50.imagenet', 'pp_resnet50.imagenet-g2', *list(KINDS)[-2:])


@lru_cache(None)
def release(kind: str) -> Release:
    return Release(kind, seed=len(kind))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('PPNAS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setattr(download, 'BACKOFF', 0.001)
    for name in ('PPNAS_ZOO_MIRROR', 'PPNAS_OFFLINE'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FlakyServer]:
    with flaky({}) as server:
        yield server


Offer = Callable[..., Path]


@pytest.fixture
def offer(server: FlakyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Let ``ppnas://NAME`` mean a zip on the server; return where its converted file will be."""

    def offered(name: str, content: bytes | None = None, **changes: Any) -> Path:
        if content is None:
            content = release(KINDS[name]).zip(tmp_path)
        entry = small(name, content, server.url(f'w-{digits(content)}.zip'), **changes)
        server.files[f'w-{digits(content)}.zip'] = content
        index = write_zoo(tmp_path / 'repository', entry)
        for module in (fetch, model, zoo_index, verify):
            monkeypatch.setattr(module, 'index_path', lambda: index)
        return tmp_path / 'cache' / f'{name}-{entry["digits"]}.safetensors'

    return offered


def refused(name: str, reason: str, error: Any = ZooError) -> None:
    """Fetching fails with one line, and leaves no file that could be taken for weights."""
    with pytest.raises(error, match=reason) as raised:
        zoo.fetch(name)
    assert '\n' not in str(raised.value)
    left = [path.name for path in fetch.cache_folder().glob('*') if path.suffix != '.json']
    assert not [name for name in left if not name.startswith('.')], left


# ---- use


@torch.no_grad()
@pytest.mark.parametrize('name', ONE_OF_EACH)
def test_from_a_zip_to_logits(name: str, offer: Offer, server: FlakyServer) -> None:
    """What the network computes, by loops in float64."""
    target = offer(name)
    net = zoo.load(name)
    images = 3 * torch.randn(2, 3, 65, 78)
    expected = release(KINDS[name])(images)
    found = net(images, mode='tensor').double()
    assert (expected[0] - expected[1]).abs().max() > 0.1  # the images matter
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert not net.training and net.dataset_meta['classes'] == ('cat', 'dog', 'cat')
    assert len(server.log) == 2 and target.is_file()  # its size, then the file
    zoo.load(name)
    load_checkpoint(f'ppnas://{name}')
    assert len(server.log) == 2  # converted once
    assert sorted(path.name for path in target.parent.glob('[!.]*')) == [
        receipt(target).name,
        target.name,
    ]


def test_every_tensor_arrives_and_the_file_tells_its_genotype(offer: Offer) -> None:
    target = offer(NAME)
    assert zoo.fetch(f'ppnas://{NAME}') == target
    data = load_checkpoint(target)
    counters = [key for key in data['state_dict'] if key.endswith('num_batches_tracked')]
    biases = sum('conv3/bias' in name for name in release('first').tensors)
    assert biases == 16 and len(release('first').tensors) == 453
    assert len(data['state_dict']) - len(counters) == 453 - biases == 437  # 435 of the backbone
    assert all(int(data['state_dict'][key]) == 0 for key in counters)
    assert json.loads(data['meta']['genotype'])['cells']
    assert data['meta']['source'].startswith('http://127.0.0.1')


def test_a_detector_starts_from_it_and_steps(offer: Offer) -> None:
    offer(NAME)
    backbone = dict(SMALL, arch='pp_resnet_imagenet')
    init = dict(type='Pretrained', checkpoint=f'ppnas://{NAME}')
    net = MODELS.build(detector(dict(backbone, init_cfg=init)))
    net.init_weights()
    expected = zoo.load(NAME).backbone.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in net.backbone.state_dict().items())
    assert len(expected) > 435
    sgd = build_optim_wrapper(net, dict(optimizer=dict(type='SGD', lr=0.01)))
    losses = net.train_step(detector_batch(), sgd)
    assert all(torch.isfinite(torch.as_tensor(value)).all() for value in losses.values())
    moved = net.backbone.stem[0].conv.weight
    assert not torch.equal(moved, expected['stem.0.conv.weight'])
    read = CheckpointLoader.load_checkpoint(f'ppnas://{NAME}')['state_dict']
    assert torch.equal(read['backbone.stem.0.conv.weight'], expected['stem.0.conv.weight'])


def arch_of(path: Path) -> Any:
    return json.loads(load_checkpoint(path)['meta']['genotype'])


def test_a_backbone_of_the_other_genotype_refuses_the_weights(offer: Offer) -> None:
    """The tensors of both have the same names and shapes."""
    first, second = (release(kind).tensors for kind in ('first', 'second'))
    assert {k: v.shape for k, v in first.items()} == {k: v.shape for k, v in second.items()}
    offer(NAME)
    init = dict(type='Pretrained', checkpoint=f'ppnas://{NAME}')
    net = MODELS.build(dict(SMALL, arch='pp_resnet_imagenet_g2', init_cfg=init))
    with pytest.raises(CheckpointError, match='another genotype'):
        net.init_weights()


def test_swapped_zips_and_genotypes_are_refused(
    offer: Offer, server: FlakyServer, tmp_path: Path
) -> None:
    offer(NAME)
    other = release('second').zip(tmp_path)
    server.files[zoo.entry(NAME).zip_name] = other
    refused(NAME, f'SHA-256 is {digits(other)}.*, not {zoo.entry(NAME).digits}')
    offer(NAME, genotype='pp_resnet_imagenet_g2')
    refused(NAME, 'expected the architecture with hash')


def test_swapped_files_of_a_cache_are_made_again(offer: Offer) -> None:
    second, g2 = offer('pp_resnet50.imagenet-g2'), 'pp_resnet50.imagenet-g2'
    right = zoo.fetch(g2).read_bytes()
    first = offer(NAME)
    before = zoo.fetch(NAME).read_bytes()
    first.write_bytes(right)
    assert zoo.fetch(NAME).read_bytes() == before != right
    changes = {key: ENTRIES[g2][key] for key in ('genotype', 'genotype_hash')}
    offer(NAME, **changes)  # a later list says that it was the other genotype all along
    assert arch_of(zoo.fetch(NAME)) == arch_of(second) and first.read_bytes() != before


def test_several_at_once_convert_once(offer: Offer, server: FlakyServer) -> None:
    target, found = offer(NAME), []
    threads = [threading.Thread(target=lambda: found.append(zoo.fetch(NAME))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [target] * 3 and len(server.log) == 2


# ---- remembered, mirrored, offline


def test_the_first_zip_is_remembered(offer: Offer, server: FlakyServer) -> None:
    target = offer(NAME)
    zoo.fetch(NAME)
    facts = json.loads(receipt(target).read_text())
    assert facts['zip_sha256'].startswith(zoo.entry(NAME).digits)
    assert facts['file_sha256'] == file_hash(target) and facts['from'] == zoo.entry(NAME).url
    before = target.read_bytes()
    target.write_bytes(before[:3000] + bytes([before[3000] ^ 8]) + before[3001:])
    assert zoo.fetch(NAME).read_bytes() == before  # converted again, to the same bytes
    target.unlink()
    facts['zip_sha256'] = facts['zip_sha256'][:8] + '0' * 56
    del facts['sha256']  # of the receipt itself
    write_json(receipt(target), facts)
    refused(NAME, f'SHA-256 is .*, not {facts["zip_sha256"]}')
    for text in ('{}', receipt(target).read_text()[:-9]):
        receipt(target).write_text(text)
        refused(NAME, 'delete it to begin anew')


def test_a_folder_of_downloads_is_a_cache_and_a_mirror(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    offer(NAME)
    assert call('download.py', NAME, '--out', tmp_path / 'out') == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.parent == tmp_path / 'out'
    assert (path.parent / zoo.entry(NAME).zip_name).is_file()
    monkeypatch.setenv('PPNAS_OFFLINE', '1')
    refused(NAME, f'run "python tools/download.py {NAME} --out DIR"')
    monkeypatch.setenv('PPNAS_ZOO_MIRROR', path.parent.as_uri())
    assert zoo.fetch(NAME).read_bytes() == path.read_bytes()
    monkeypatch.setenv('PPNAS_CACHE', str(path.parent))
    monkeypatch.delenv('PPNAS_ZOO_MIRROR')
    assert zoo.fetch(NAME) == path
    receipt(path).unlink()
    with pytest.raises(ZooError, match='PPNAS_OFFLINE is set'):
        zoo.fetch(NAME)


def test_a_broken_transfer_goes_on(offer: Offer, server: FlakyServer) -> None:
    """Although only the server knows the size."""
    offer(NAME)
    name = zoo.entry(NAME).zip_name
    server.faults[name] = [{}, dict(cut=3000), dict(cut=2000)]
    assert zoo.fetch(NAME).is_file()
    assert server.ranges(name) == [None, None, 'bytes=3000-', 'bytes=5000-']


# ---- refused


FAULTS: list[tuple[dict[str, Any], str]] = [
    (dict(page='text/html'), 'a page .text/html. instead of the file'),
    (dict(replace=PAGE), 'a page instead of the file'),
    (dict(status=404), 'status 404'),
    (dict(cut=3000, ranges=False), '3000 of [0-9]+ bytes, then'),
    (dict(flip=5000), 'SHA-256 is [0-9a-f]{64}, not [0-9a-f]{8}'),
    (dict(length=False), 'Content-Length .. instead of a number'),
]


@pytest.mark.parametrize(('fault', 'reason'), FAULTS)
def test_a_bad_transfer_is_refused(
    fault: dict[str, Any], reason: str, offer: Offer, server: FlakyServer
) -> None:
    offer(NAME)
    server.always = fault
    refused(NAME, f'no source has the file: {re.escape(server.url(""))}.*{reason}')
    server.always = {}
    assert zoo.fetch(NAME).is_file()


def changed(folder: Path, change: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> bytes:
    """A zip of a changed checkpoint, which is as the list says."""
    index, data = tf_writer.bundle(release('first').tensors)
    return tf_writer.write_zip(folder / 'changed.zip', *change(index, data)).read_bytes()


CHANGES: list[tuple[Callable[[bytes, bytes], tuple[bytes, bytes]], str]] = [
    (lambda i, d: (i, d[:-1]), r'\.data-00000-of-00001 is cut'),
    (lambda i, d: (i, d[:50] + bytes([d[50] ^ 1]) + d[51:]), "tensor '.*CRC-32C does not match"),
    (lambda i, d: (i[:99] + bytes([i[99] ^ 1]) + i[100:], d), 'damaged: the CRC-32C of the block'),
    (lambda i, d: (b'', d), 'no table of TensorFlow'),
]


@pytest.mark.parametrize(('change', 'reason'), CHANGES)
def test_a_damaged_checkpoint_is_refused(
    change: Any, reason: str, offer: Offer, tmp_path: Path
) -> None:
    """Even where the digits of the list are those of the damaged zip."""
    offer(NAME, changed(tmp_path, change))
    refused(NAME, rf'checkpoint .*\.zip: .*{reason}', CheckpointError)


def test_another_content_is_refused(offer: Offer, tmp_path: Path) -> None:
    offer(NAME, Release('first', prefix='net/').zip(tmp_path))
    refused(NAME, "0/437 tensors found after the prefix 'model.', 453 left over", CheckpointError)
    offer(NAME, release('resnet').zip(tmp_path))
    refused(NAME, 'is not of the network of the entry: .*/437 tensors', CheckpointError)
    offer(NAME, PAGE)
    refused(NAME, 'a page instead of the file')
    offer(NAME, b'PK no zip')
    refused(NAME, 'not a zip file', CheckpointError)


# ---- what lists and pages say


def test_the_list_says_whose_weights_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert call('download.py', '--list') == 0
    lines = {line.split('  ')[0]: line for line in capsys.readouterr().out.splitlines()}
    readme = (ROOT / 'model_zoo' / 'README.md').read_text()
    for name, entry in ENTRIES.items():
        assert '  published by the authors  ' in lines[name] and entry['url'] in lines[name]
        assert 'MIT' in lines[name] and 'sbl1996/hanser' in lines[name]
        row = next(line for line in readme.splitlines() if line.startswith(f'| `{name}` |'))
        for text in (lines[name], row):
            value = entry['metric']['value']
            said = "the authors', not measured here" if value else 'none given'
            assert said in text and (not value or f'{value:g}' in text)
    assert all('  made here  ' in lines[name] for name in lines.keys() - ENTRIES)
    assert 'published by the authors' not in lines['pp_resnet20.digits']


# ---- --verify


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A made-up ImageNet of eight images of 72 x 72, with the list of the validation set."""
    random, lines = np.random.default_rng(0), []
    for folder in ('val', 'meta'):
        (tmp_path / 'data' / folder).mkdir(parents=True)
    for i in range(8):
        pixels = random.integers(0, 256, (72, 72, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f'data/val/{i}.png'), pixels)
        lines.append(f'{i}.png {i % 3}\n')
    (tmp_path / 'data/meta/val.txt').write_text(''.join(lines))
    return tmp_path / 'data'


@torch.no_grad()
def by_hand(folder: Path) -> float:
    """The accuracy on the folder, without the package's way through a data set."""
    net, right = zoo.load(NAME), []
    for i in range(8):
        image = cv2.imread(str(folder / f'val/{i}.png'))[4:68, 4:68, ::-1].copy()
        image = (image - np.array([120, 110, 100])) / np.array([60, 50, 40])
        logits = net(torch.from_numpy(image).permute(2, 0, 1)[None].float(), mode='tensor')
        right.append(int(logits.argmax()) == i % 3)
    return 100 * sum(right) / len(right)


def test_verify_says_whether_an_entry_fits(
    offer: Offer, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(NAME)
    accuracy = by_hand(photographs)
    offer(NAME, expected={'value': round(accuracy, 1) + 0.5, 'within': 1.0})
    capsys.readouterr()
    assert call('download.py', NAME, '--verify', photographs) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f'{NAME}: {accuracy:.2f} measured on 8 images; ')
    assert f'{round(accuracy, 1) + 0.5:g} expected (PP-NAS paper' in line
    assert line.endswith('within 1 points, so genotype and padding fit')
    offer(NAME, expected={'value': accuracy + 1.5, 'within': 1.0})
    options = ('--cfg-options', 'test_dataloader.batch_size=1')
    assert call('download.py', NAME, '--verify', photographs, *options) == 1
    line = capsys.readouterr().out.splitlines()[-1]
    assert f'{accuracy:.2f} measured' in line and 'more than 1 points apart' in line
    assert call('download.py', NAME, '--verify', photographs / 'none') == 2
    assert 'no such folder' in capsys.readouterr().err


def test_releases_of_the_helper_are_those_of_the_list() -> None:
    assert set(KINDS) == set(ENTRIES)
    assert releases.WORDS.keys() | {'resnet', 'res2net'} == set(KINDS.values())
