"""Checkpoints that TensorFlow wrote are read bit by bit; damaged and hostile ones are refused."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_writer
from tf_python import run_tensorflow

from ppnas_mm.convert.tf_bundle import Bundle
from ppnas_mm.utils.crc32c import crc32c, masked
from ppnas_mm.weights.checkpoint import CheckpointError

FILES = Path(__file__).parent / 'checkpoints'
EXPECTED = np.load(FILES / 'expected.npz')
"""What TensorFlow read: ``CHECKPOINT:TENSOR``; strings as hex digits."""


def expected(checkpoint: str) -> dict[str, np.ndarray]:
    start = f'{checkpoint}:'
    return {k.removeprefix(start): EXPECTED[k] for k in EXPECTED.files if k.startswith(start)}


def agree(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    """The same names, types, shapes and bits."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        got = found[name]
        if got.dtype == object:
            got = np.array([x.hex() for x in got.ravel()]).reshape(got.shape)
        assert (got.dtype, got.shape) == (value.dtype, value.shape), name
        assert got.tobytes() == value.tobytes(), name


@pytest.mark.parametrize(
    ('path', 'checkpoint'),
    [
        ('objects', 'objects'),
        ('objects.index', 'objects'),
        ('objects.zip', 'objects'),
        ('types', 'types'),
    ],
)
def test_every_tensor_is_that_of_tensorflow(path: str, checkpoint: str) -> None:
    with Bundle(FILES / path) as bundle:
        agree(dict(bundle.tensors()), expected(checkpoint))
        name = next(name for name in bundle.slots if 'float64' in name or 'kernel' in name)
        agree({name: bundle.read(name)}, {name: expected(checkpoint)[name]})


def test_the_types_and_shards_that_occur() -> None:
    with Bundle(FILES / 'types') as bundle:
        assert bundle.shards == 2 and {slot.shard for slot in bundle.slots.values()} == {0, 1}
        assert len({slot.dtype for slot in bundle.slots.values()}) == 15
    with Bundle(FILES / 'objects') as bundle:
        assert bundle.read('_CHECKPOINTABLE_OBJECT_GRAPH').dtype == object
        words = bundle.read('model/inner/words/.ATTRIBUTES/VARIABLE_VALUE')
        assert words[1, 1] == 'äöü'.encode() and words[0, 0] == b''
        assert [name for name, _ in bundle.tensors(like='scale')] == [
            'model/inner/scale/.ATTRIBUTES/VARIABLE_VALUE'
        ]


def test_a_folder_with_one_checkpoint(tmp_path: Path) -> None:
    for file in FILES.glob('objects.*'):
        if file.suffix != '.zip':
            shutil.copy(file, tmp_path)
    with Bundle(tmp_path) as bundle:
        assert len(bundle.slots) == 6
    (tmp_path / 'other.index').touch()
    refused(tmp_path, r'one file \*\.index, found 2')


def refused(path: Path, reason: str) -> None:
    """Reading fails with one line that names the file."""
    with pytest.raises(CheckpointError, match=reason) as error, Bundle(path) as bundle:
        dict(bundle.tensors())
    assert '\n' not in str(error.value) and str(path) in str(error.value)


def test_slices_are_refused() -> None:
    refused(FILES / 'sliced', 'slice')


def copied(folder: Path) -> Path:
    for file in FILES.glob('types.*'):
        shutil.copy(file, folder)
    return folder / 'types'


@pytest.mark.parametrize('end', ['.index', '.data-00000-of-00002', '.data-00001-of-00002'])
def test_a_flipped_bit_or_a_cut_is_noticed_everywhere(tmp_path: Path, end: str) -> None:
    """Any bit, but those that nothing reads: zeros of the footer, the block of no metadata."""
    path = copied(tmp_path)
    file = Path(f'{path}{end}')
    content, good = file.read_bytes(), expected('types')
    noticed, places = 0, range(3, len(content), 41)
    for at in places:
        file.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        try:
            with Bundle(path) as bundle:
                agree(dict(bundle.tensors()), good)
        except CheckpointError as error:
            assert '\n' not in str(error)
            noticed += 1
    assert noticed >= len(places) - 2
    for size in (0, 10, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:size])
        refused(path, 'cut|no table')
    file.unlink()
    refused(path, 'o such file')


def test_flipped_and_cut_zips(tmp_path: Path) -> None:
    content = (FILES / 'objects.zip').read_bytes()
    path = tmp_path / 'release.zip'
    for at in range(40, len(content), 13):
        path.write_bytes(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
        try:
            with Bundle(path) as bundle:
                agree(dict(bundle.tensors()), expected('objects'))
        except CheckpointError as error:
            assert '\n' not in str(error) and 'release.zip' in str(error)
    path.write_bytes(content[:-30])
    refused(path, 'not a zip file')
    path.write_bytes(b'<!DOCTYPE html><html></html>')
    refused(path, 'not a zip file')
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('readme.txt', 'nothing')
    refused(path, r'a zip with one file \*\.index, found 0')


ONE = np.arange(6, dtype=np.float32).reshape(2, 3)


def hostile(path: Path, index: bytes) -> Path:
    return tf_writer.write(path / 'model', index, ONE.tobytes())


HOSTILE: list[tuple[dict[str, Any], str]] = [
    (dict(offset=1 << 40), 'cut: 24 of'),
    (dict(offset=(1 << 64) - 8), 'cut: 24 of'),
    (dict(size=1 << 40, shape=(1 << 38,)), 'more than'),
    (dict(size=1 << 62, shape=(1 << 60,)), 'axes'),
    (dict(size=25), r'float32 \(2, 3\) in 25 bytes'),
    (dict(shape=(1 << 40, 1 << 40, 0)), r'float32 .* in 24 bytes'),
    (dict(shape=(1 << 40, 1 << 40, 0), size=0), r'tensor .a.'),
    (dict(shape=(1,) * 33), '33 axes'),
    (dict(shard=1), 'data file 1 of 1'),
    (dict(shard=(1 << 64) - 1), 'data file'),
    (dict(dtype=21), 'type 21 is not read'),
    (dict(dtype=7, shape=(10**9,)), '1000000000 strings in 24 bytes'),
    (dict(dtype=7, shape=()), 'CRC-32C of its lengths'),
    (dict(crc=1), 'CRC-32C does not match'),
    (dict(more=tf_writer.field(7, b'')), 'slices'),
    (dict(more=b'\x0b'), 'a field of kind 3'),
    (dict(more=b'\x80' * 11), 'no number'),
    (dict(more=tf_writer.varint(9 << 3 | 2) + tf_writer.varint(1 << 50)), 'cut'),
]


@pytest.mark.parametrize(('changes', 'reason'), HOSTILE)
def test_a_hostile_entry_costs_an_error(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    pairs = [(b'', tf_writer.header()), (b'a', tf_writer.entry(ONE, **{'offset': 0, **changes}))]
    refused(hostile(tmp_path, tf_writer.table(pairs)), reason)


def test_hostile_tables(tmp_path: Path) -> None:
    good, head = tf_writer.entry(ONE, 0), (b'', tf_writer.header())
    assert len(dict(Bundle(hostile(tmp_path, tf_writer.table([head, (b'a', good)]))).tensors()))
    wrong = [
        (tf_writer.table([head, (b'a', good)], kind=1), 'compressed .type 1, snappy'),
        (tf_writer.table([head, (b'a', good), (b'a', good)]), 'not in order'),
        (tf_writer.table([head, (b'a', good), (b'b', good)]), 'those of another'),
        (tf_writer.table([head, (b'\xff', good)]), 'no name'),
        (tf_writer.table([head, (b'a' * 5000, good)]), 'a key of'),
        (tf_writer.table([(b'a', good)]), 'no header'),
        (tf_writer.table([(b'', tf_writer.header(0))]), '0 data files'),
        (tf_writer.table([(b'', tf_writer.header(10**6))]), '1000000 data files'),
        (tf_writer.table([(b'', tf_writer.header(more=tf_writer.field(2, 1)))]), 'big-endian'),
        (b'x' * 100, 'no table'),
        (b'', 'no table'),
    ]
    for index, reason in wrong:
        refused(hostile(tmp_path, index), reason)
    huge = tf_writer.varint(1 << 40) + tf_writer.varint(1 << 40)
    refused(hostile(tmp_path, huge.ljust(40, b'\0') + tf_writer.MAGIC), 'cut')
    (tmp_path / 'model.index').write_bytes(b'')
    with open(tmp_path / 'model.index', 'r+b') as file:
        file.truncate(1 << 27)  # a file with a hole
    refused(tmp_path / 'model', 'an index of more than')


def test_a_zip_cannot_claim_more_than_it_holds(tmp_path: Path) -> None:
    """A data file of zeros that unpacks to far more than the tensors: they alone are read."""
    index, data = tf_writer.bundle({'a': ONE})
    path = tf_writer.write_zip(tmp_path / 'bomb.zip', index, data + bytes(1 << 26))
    assert path.stat().st_size < 1 << 17
    with Bundle(path) as bundle:
        agree(dict(bundle.tensors()), {'a': ONE})
    tf_writer.write_zip(path, index, data[:-1])
    refused(path, 'is cut: 23 of 24 bytes')


def many() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    types = ('float32', 'float64', 'int32', 'uint8', 'int64')
    return {
        f'model/layer{i}/kernel': (random.normal(size=(i % 4, 3)) * 50).astype(types[i % 5])
        for i in range(150)
    }


def test_an_index_of_several_blocks(tmp_path: Path) -> None:
    with Bundle(tf_writer.write(tmp_path / 'model', *tf_writer.bundle(many()))) as bundle:
        agree(dict(bundle.tensors()), many())


READ = """
import sys, numpy as np, tensorflow as tf
reader = tf.train.load_checkpoint(sys.argv[1])
names = reader.get_variable_to_shape_map()
np.savez(sys.argv[2], **{name: reader.get_tensor(name) for name in names})
"""


def test_tensorflow_reads_what_the_helper_writes(tmp_path: Path) -> None:
    prefix = tf_writer.write(tmp_path / 'model', *tf_writer.bundle(many()))
    run_tensorflow(READ, prefix, tmp_path / 'read.npz')
    with np.load(tmp_path / 'read.npz') as file:
        agree({name: file[name] for name in file.files}, many())


def test_tensorflow_writes_the_kept_files_again(tmp_path: Path) -> None:
    run_tensorflow(FILES / 'write.py', tmp_path)
    again = np.load(tmp_path / 'expected.npz')
    for name in ('objects', 'types', 'objects.zip'):
        start = name.removesuffix('.zip') + ':'
        wanted = {k.removeprefix(start): again[k] for k in again.files if k.startswith(start)}
        with Bundle(tmp_path / name) as bundle:
            agree(dict(bundle.tensors()), wanted)


# ---- CRC-32C


def plain(data: bytes) -> int:
    """One bit at a time."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def test_crc32c_of_the_standard_and_of_any_length() -> None:
    """RFC 3720, B.4; and the definition."""
    assert crc32c(bytes(32)) == 0x8A9136AA and crc32c(b'\xff' * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E and crc32c(b'123456789') == 0xE3069283
    assert crc32c(b'') == 0 and masked(0) == 0xA282EAD8
    data = np.random.default_rng(0).integers(0, 256, 700, dtype=np.uint8).tobytes()
    for size in (*range(1, 40), 255, 256, 257, 699):
        assert crc32c(data[:size]) == plain(data[:size]), size
        assert crc32c(data[size:], crc32c(data[:size])) == plain(data), size
    large = np.random.default_rng(1).integers(0, 256, (1 << 21) + 5, dtype=np.uint8)
    halves = crc32c(large[1000:], crc32c(large[:1000]))
    assert crc32c(large) == halves != crc32c(large[::-1].copy())
