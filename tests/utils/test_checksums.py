"""Bits that flip in files are found before a number of theirs is used."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from finished import RUN, search  # noqa: F401
from flipping import READERS, flip, flips
from safetensors import safe_open
from safetensors.torch import save, save_file
from tool import DIGITS, RETRAIN, TINY_TRAIN, call
from torch.serialization import set_crc32_options

from ppnas_mm.engine.checkpoint import latest_checkpoint
from ppnas_mm.genotype import Genotype, GenotypeError
from ppnas_mm.utils import checksums
from ppnas_mm.utils.files import DamagedFileError, read_json, write_json
from ppnas_mm.weights.checkpoint import CheckpointError, load_checkpoint, load_from_local


@pytest.mark.parametrize('pattern', READERS)
def test_no_flipped_bit_changes_a_number(search: Path, pattern: str) -> None:
    """``slow`` flips 200 in each."""
    path = sorted(search.glob(pattern))[-1]
    counts = flips(path, READERS[pattern], 30, seed=len(pattern))
    assert counts['missed'] == 0 and counts['found'] > 20, counts


def data_bits(path: Path) -> list[int]:
    """A bit in the middle of the largest tensor of a checkpoint, and of its last bytes."""
    with zipfile.ZipFile(path) as archive:
        tensors = [info for info in archive.infolist() if '/data/' in info.filename]
        member = max(tensors, key=lambda info: info.file_size)
    content = path.read_bytes()
    sizes = [content[member.header_offset + i : member.header_offset + i + 2] for i in (26, 28)]
    start = member.header_offset + 30 + sum(int.from_bytes(s, 'little') for s in sizes)
    return [8 * (start + member.file_size // 2) + 2, 8 * (start + member.file_size - 1) + 7]


def test_a_flipped_checkpoint_falls_back(search: Path, tmp_path: Path, capsys: Any) -> None:
    for path in search.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    newest = tmp_path / 'epoch_4.pth'
    for bit in data_bits(newest):
        flip(newest, bit)
        told: list[str] = []
        assert latest_checkpoint(tmp_path, told.append) == tmp_path / 'epoch_3.pth'
        (line,) = told
        assert 'epoch_4.pth' in line and 'checksum of' in line and 'falling back' in line
        for read in (load_checkpoint, load_from_local):  # the second is mmengine's
            with pytest.raises(
                CheckpointError, match=r'epoch_4.pth: damaged: the checksum of archive/data/'
            ):
                read(str(newest))
    capsys.readouterr()
    assert call('search.py', DIGITS, '--work-dir', tmp_path, '--resume', *RUN) == 0
    assert 'falling back to the previous one' in capsys.readouterr().out
    for name in ('genotype.json', 'derived.safetensors', 'search.json'):
        assert (tmp_path / name).read_bytes() == (search / name).read_bytes(), name


def test_a_flipped_network_starts_no_training(search: Path, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / 'derived.safetensors'
    shutil.copy(search / path.name, path)
    flip(path, 8 * (path.stat().st_size // 2))
    run = ['--work-dir', tmp_path / 'run', '--genotype', search / 'genotype.json']
    assert call('train.py', RETRAIN, *run, '--init-from', path, '--cfg-options', *TINY_TRAIN) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert str(path) in line and 'its checksum does not match' in line


def test_files_without_a_checksum_are_read(tmp_path: Path) -> None:
    state = {'a': torch.arange(6.0).reshape(2, 3), 'b': torch.ones(3, dtype=torch.int64)}
    save_file(state, tmp_path / 'plain.safetensors')
    save_file(state, tmp_path / 'told.safetensors', {'other': 'text'})
    torch.save(state, tmp_path / 'old.pth', _use_new_zipfile_serialization=False)
    set_crc32_options(False)
    try:
        torch.save(state, tmp_path / 'unchecked.pth')
    finally:
        set_crc32_options(True)
    for name in ('plain.safetensors', 'told.safetensors', 'old.pth', 'unchecked.pth'):
        found = load_checkpoint(tmp_path / name)['state_dict']
        assert all(torch.equal(found[key], value) for key, value in state.items()), name
    assert load_checkpoint(tmp_path / 'told.safetensors')['meta'] == {'other': 'text'}


def test_a_sealed_file_is_a_safetensors_file_and_always_the_same(tmp_path: Path) -> None:
    state = {'b': torch.randn(3), 'a': torch.randn(2, 2), 'none': torch.empty(0)}
    sealed = {checksums.seal(save(state, {'x': '1', 'y': '2', 'z': '3'})) for _ in range(8)}
    (content,) = sealed
    path = tmp_path / 'sealed.safetensors'
    path.write_bytes(content)
    with safe_open(path, 'pt') as file:
        assert set(file.metadata()) == {'x', 'y', 'z', 'sha256'}
        assert all(torch.equal(file.get_tensor(key), value) for key, value in state.items())
    tensors, told = checksums.read_safetensors(content)
    assert told == {'x': '1', 'y': '2', 'z': '3'} and tensors.keys() == state.keys()
    renamed = content.replace(b'"a":{', b'"c":{')
    with pytest.raises(checksums.ChecksumError, match='checksum does not match'):
        checksums.read_safetensors(renamed)


def test_tensors_do_not_change_with_their_file(tmp_path: Path) -> None:
    path = tmp_path / 'weights.safetensors'
    save_file({'a': torch.ones(1000)}, path)
    found = load_checkpoint(path)['state_dict']['a']
    content = path.read_bytes()
    with open(path, 'r+b') as file:
        file.write(bytes(len(content)))
    assert (found == 1).all()


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'{"a": 1', 'no valid JSON'),
        (b'\xff{}', 'no valid JSON'),
        (b'[1]', 'expected a JSON object, got list'),
        (b'{"a": 1, "sha256": "0"}', 'sha256 does not match'),
        (None, 'no such file'),
    ],
)
def test_damaged_json_is_one_line_with_its_name(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / 'search.json'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=words) as caught:
        read_json(path)
    assert str(path) in str(caught.value) and '\n' not in str(caught.value)


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = {'a': [0.1, 1e-300, 3, None, True], 'ä': {'b': 'text'}}
    write_json(tmp_path / 'x.json', data)
    assert read_json(tmp_path / 'x.json') == data
    laid_out = json.dumps(json.loads((tmp_path / 'x.json').read_text()), indent=7)
    (tmp_path / 'x.json').write_text(laid_out)
    assert read_json(tmp_path / 'x.json') == data
    with pytest.raises(ValueError, match='not JSON compliant'):
        write_json(tmp_path / 'x.json', {'a': float('nan')})


def test_an_edited_genotype_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / 'genotype.json'
    published = Genotype.load('pp_resnet_cifar10')
    published.save(path)
    assert Genotype.load(path).to_dict() == published.to_dict()
    path.write_text(path.read_text().replace('conv_3x3', 'conv_1x1', 1))
    with pytest.raises(GenotypeError, match=r'genotype.json: .*damaged.*remove that line'):
        Genotype.load(path)
    lines = path.read_text().splitlines()
    text = '\n'.join(line for line in lines if '"sha256"' not in line).replace('},\n}', '}\n}')
    path.write_text(text)
    assert Genotype.load(path).hash != published.hash
