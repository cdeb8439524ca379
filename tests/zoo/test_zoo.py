"""The model zoo: index, names, cache, mirror and offline use, and the pages that follow."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import releases
import torch
from entries import DIGITS, ENTRIES, ENTRY, INDEX, NAMES, ON_DIGITS, write_index
from flaky import FlakyServer, flaky
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader, Runner
from safetensors.torch import save_file
from tool import ROOT, call
from zoo import BACKBONES, build_network, scramble

from ppnas_mm import zoo
from ppnas_mm.datasets import Digits
from ppnas_mm.genotype import published
from ppnas_mm.registry import MODELS
from ppnas_mm.weights import fetch
from ppnas_mm.weights import index as zoo_index
from ppnas_mm.weights.checkpoint import CheckpointError
from ppnas_mm.weights.index import ZooError, file_hash
from ppnas_mm.zoo import model


class Bomb:
    """A pickle that would leave a folder behind."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('PPNAS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    for name in ('PPNAS_ZOO_MIRROR', 'PPNAS_OFFLINE'):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FlakyServer]:
    """A server without files."""
    with flaky({}) as server:
        yield server


def use(monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    """Let ``ppnas://`` mean another index."""
    monkeypatch.setattr(fetch, 'index_path', lambda: index)
    monkeypatch.setattr(model, 'index_path', lambda: index)
    monkeypatch.setattr(zoo_index, 'index_path', lambda: index)


def described(path: Path, **changes: Any) -> dict[str, Any]:
    """An entry for a file; it lies beside the index unless ``urls`` says otherwise."""
    facts = dict(urls=[path.name], size=path.stat().st_size, sha256=file_hash(path))
    return {**ENTRY, **facts, **changes}


@pytest.fixture
def remote(server: FlakyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The digits' weights, but on the server only; the file's bytes."""
    source = INDEX.parent / ENTRY['urls'][0]
    server.files['w.safetensors'] = source.read_bytes()
    entry = described(source, urls=[server.url('w.safetensors')])
    use(monkeypatch, write_index(tmp_path / 'model_zoo' / 'index.json', entry))
    return source.read_bytes()


# ---- use


def test_each_family_is_there() -> None:
    assert {'pp_resnet20.digits', 'cdarts.digits', 'eoinas.digits', 'senas.digits'} <= set(
        ON_DIGITS
    )


@pytest.mark.parametrize('name', ON_DIGITS)
def test_the_metric_of_the_digits(name: str) -> None:
    """By hand: normalised images, the class of the largest logit, the share that is right."""
    entry, model = zoo.entry(name), zoo.load(name)
    assert not model.training and not any(module.training for module in model.modules())
    data = Digits('test')
    data.full_init()
    images = torch.stack(
        [torch.from_numpy(data.get_data_info(i)['img']).permute(2, 0, 1) for i in range(len(data))]
    ).float()
    assert tuple(images.shape[1:]) == entry.input_size
    mean, std = (torch.tensor(entry.normalisation[k]).view(3, 1, 1) for k in ('mean', 'std'))
    with torch.no_grad():
        logits = model((images - mean) / std, mode='tensor')
    labels = torch.tensor([data.get_data_info(i)['gt_label'] for i in range(len(data))])
    right = (logits.argmax(1) == labels).double().mean().item()
    assert round(100 * right, 2) == entry.metric['value'] and len(labels) == 360


@pytest.mark.parametrize('name', ON_DIGITS)
def test_the_tool_prints_the_metric_of_the_index(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of ``model_zoo/README.md``, with every digit of the figure."""
    entry = ENTRIES[name]
    known = entry['genotype'] in published()
    genotype = entry['genotype'] if known else INDEX.parent / entry['genotype']
    given = (ROOT / entry['config'], f'ppnas://{name}', '--genotype', genotype)
    assert call('test.py', *given, '--work-dir', tmp_path) == 0
    expected = f'accuracy/top1: {entry["metric"]["value"]:.2f}'
    assert capsys.readouterr().out.splitlines()[-1] == expected


def saved(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> Any:
    """Put a scrambled network of :data:`BACKBONES` into a zoo of its own; return it."""
    net = scramble(build_network(f'ppnas_mm.{name}', seed=1))
    path = folder / f'net{suffix}'
    if suffix == '.pth':
        torch.save({'state_dict': net.state_dict()}, path)
    else:
        save_file(net.state_dict(), path, {'genotype': net.genotype.to_json()})
    entry = described(path, name='some.net')
    use(monkeypatch, write_index(folder / 'index.json', entry))
    return net


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
@pytest.mark.parametrize('name', BACKBONES)
def test_every_backbone_takes_a_name(
    name: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = saved(name, tmp_path, monkeypatch, suffix).state_dict()
    init = dict(type='Pretrained', checkpoint='ppnas://some.net')
    net = MODELS.build(dict(type=f'ppnas_mm.{name}', **BACKBONES[name], init_cfg=init))
    net.init_weights()
    assert all(torch.equal(value, expected[key]) for key, value in net.state_dict().items())
    read = CheckpointLoader.load_checkpoint('ppnas://some.net')['state_dict']
    assert read.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in read.items())


def test_load_from_of_a_run(tmp_path: Path) -> None:
    config = Config.fromfile(ROOT / ENTRY['config'])
    config.merge_from_dict(dict(work_dir=str(tmp_path), load_from=f'ppnas://{DIGITS}'))
    config.model.backbone.arch = str(INDEX.parent / ENTRY['genotype'])
    runner = Runner.from_cfg(config)
    runner.load_or_resume()
    expected = zoo.load(DIGITS).state_dict()
    found = runner.model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found.items())


def test_a_classifiers_weights_in_a_detector_of_mmdet() -> None:
    backbone = dict(
        type='ppnas_mm.PPResNetCIFAR',
        depth=20,
        stem_channels=16,
        base_channels=16,
        arch=str(INDEX.parent / ENTRY['genotype']),
        init_cfg=dict(type='Pretrained', checkpoint=f'ppnas://{DIGITS}'),
    )
    with DefaultScope.overwrite_default_scope('mmdet'):
        net = ROOT_MODELS.build(backbone)
    net.init_weights()
    expected = zoo.load(DIGITS).backbone.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
def test_a_pickle_with_code_behind_a_name(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Size and SHA-256 are right: the index itself is the attacker's."""
    path = tmp_path / f'evil{suffix}'
    torch.save({'state_dict': Bomb(tmp_path / 'exploded')}, path)
    genotype = INDEX.parent / ENTRY['genotype']
    (tmp_path / 'genotype.json').write_bytes(genotype.read_bytes())
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    entry = described(path, name='evil.net', genotype='genotype.json')
    (tmp_path / 'zoo').mkdir()
    for file in (path, tmp_path / 'genotype.json'):
        file.rename(tmp_path / 'zoo' / file.name)
    use(monkeypatch, write_index(tmp_path / 'zoo' / 'index.json', entry))
    init = dict(type='Pretrained', checkpoint='ppnas://evil.net')
    net = build_network('ppnas_mm.PPResNet', init_cfg=init)
    doors = (
        net.init_weights,
        lambda: CheckpointLoader.load_checkpoint('ppnas://evil.net'),
        lambda: zoo.load('evil.net'),
    )
    for door in doors:
        with pytest.raises(CheckpointError, match='evil'):
            door()
    assert not (tmp_path / 'exploded').exists()


def test_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=f"'pp_resnet20.digit'; did you mean '{DIGITS}'"):
        zoo.load('pp_resnet20.digit')
    with pytest.raises(ZooError, match=f'there are: .*{DIGITS}'):
        CheckpointLoader.load_checkpoint('ppnas://../../etc/passwd')
    assert not (tmp_path / 'cache').exists()


def test_an_import_brings_no_downloader() -> None:
    code = (
        'import sys, ppnas_mm; ppnas_mm.weights.fetch.list(); '
        "print([m for m in ('requests', 'urllib3', 'filelock') if m in sys.modules])"
    )
    command = [sys.executable, '-W', 'ignore', '-c', code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() in ('[]', "['filelock']"), done.stderr  # torch may bring the latter


# ---- cache, mirror, offline


def test_repository_weights_are_used_where_they_lie(tmp_path: Path) -> None:
    assert zoo.fetch(DIGITS) == (INDEX.parent / ENTRY['urls'][0]).resolve()
    assert not (tmp_path / 'cache').exists()


def test_the_cache_is_checked_at_every_use(
    remote: bytes, server: FlakyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zoo.fetch(DIGITS)
    assert path == tmp_path / 'cache' / f'{DIGITS}-{ENTRY["sha256"][:8]}.safetensors'
    assert zoo.fetch(f'ppnas://{DIGITS}') == path and len(server.log) == 1
    path.write_bytes(remote[:5000] + bytes([remote[5000] ^ 4]) + remote[5001:])
    assert zoo.fetch(DIGITS).read_bytes() == remote and len(server.log) == 2
    path.write_bytes(remote[:-1])
    monkeypatch.setenv('PPNAS_OFFLINE', '1')
    with pytest.raises(ZooError):
        zoo.fetch(DIGITS)


def test_the_mirror_comes_first_and_the_index_helps(
    remote: bytes, server: FlakyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f'{DIGITS}-{ENTRY["sha256"][:8]}.safetensors'
    monkeypatch.setenv('PPNAS_ZOO_MIRROR', server.url('mirror/'))
    assert zoo.fetch(DIGITS).read_bytes() == remote  # the mirror does not have it
    assert [path for path, _ in server.log] == [f'/mirror/{name}', '/w.safetensors']
    server.files[f'mirror/{name}'] = remote
    server.log.clear()
    monkeypatch.setenv('PPNAS_CACHE', str(tmp_path / 'second'))
    assert zoo.fetch(DIGITS).read_bytes() == remote
    assert [path for path, _ in server.log] == [f'/mirror/{name}']
    monkeypatch.setenv('PPNAS_ZOO_MIRROR', str(tmp_path))
    with pytest.raises(ZooError, match=r'PPNAS_ZOO_MIRROR.*expected a URL'):
        zoo.fetch(DIGITS)


def test_a_downloaded_folder_serves_as_mirror_and_as_cache(
    remote: bytes,
    server: FlakyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / 'out'
    assert call('download.py', '--all', '--out', out) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.parent == out and path.read_bytes() == remote
    monkeypatch.setenv('PPNAS_OFFLINE', '1')
    monkeypatch.setenv('PPNAS_ZOO_MIRROR', out.as_uri())
    assert zoo.fetch(DIGITS) == path
    monkeypatch.delenv('PPNAS_ZOO_MIRROR')
    monkeypatch.setenv('PPNAS_CACHE', str(out))
    assert zoo.fetch(DIGITS) == path and len(server.log) == 1


def test_offline_says_what_to_do(
    remote: bytes, server: FlakyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PPNAS_OFFLINE', '1')
    with pytest.raises(ZooError, match=f'run "python tools/download.py {DIGITS} --out') as error:
        CheckpointLoader.load_checkpoint(f'ppnas://{DIGITS}')
    assert '\n' not in str(error.value) and server.log == []
    monkeypatch.setenv('PPNAS_OFFLINE', '0')
    assert zoo.fetch(DIGITS).read_bytes() == remote


def test_the_tool_lists_copies_and_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call('download.py', '--list') == 0
    shown = capsys.readouterr().out
    listed = [line.split()[0] for line in shown.splitlines()]
    assert listed == sorted([*NAMES, *releases.ENTRIES]) and '99.44' in shown
    assert call('download.py', DIGITS, '--out', tmp_path / 'out') == 0
    source = INDEX.parent / ENTRY['urls'][0]
    assert Path(capsys.readouterr().out.strip()).read_bytes() == source.read_bytes()
    assert call('download.py', DIGITS, 'no.such', '--out', tmp_path / 'none') == 2
    assert "error: ZooError: no weights with the name 'no.such'" in capsys.readouterr().err
    assert not (tmp_path / 'none').exists()
    assert call('download.py') == 2
