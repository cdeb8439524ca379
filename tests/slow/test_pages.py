"""Every code block of README and docs runs, in order, from a fresh clone, on small data.

``PAGES_PYTHON=PATH/TO/python`` runs the clone's tools with the package that is installed there.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pages import PAGES, ROOT, blocks, commands, reason_not_to_run, runnable, small

DATA = ROOT.parent / 'shared' / 'data'
PYTHON = os.environ.get('PAGES_PYTHON', sys.executable)


@pytest.fixture(scope='module')
def clone(tmp_path_factory):
    """The tracked files, and nothing else."""
    folder = tmp_path_factory.mktemp('clone')
    done = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip('needs a git checkout')
    for name in done.stdout.split('\n'):
        if name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
    return folder


def write_images(folder):
    """Pictures of three classes in folders, as .jpg."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 12), ('val', 3)):
        for label in ('ant', 'bee', 'cat'):
            (folder / split / label).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                picture = rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)
                cv2.imwrite(str(folder / split / label / f'{i}.jpg'), picture)


def write_boxes(folder):
    """Two of BCCD's classes, a few pictures, as somebody's own set."""
    for name in ('JPEGImages', 'Annotations'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(DATA / 'bccd_voc' / name)
    lists = folder / 'ImageSets/Main'
    lists.mkdir(parents=True)
    for split in ('train', 'val', 'test'):
        text = (DATA / 'bccd_voc/ImageSets/Main' / f'{split}.txt').read_text()
        (lists / f'{split}.txt').write_text(text)


def write_masks(folder):
    """Photographs as .jpg, masks as .png with the numbers 0, 1, 2 and 255."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 4), ('val', 2)):
        for name in ('images', 'annotations'):
            (folder / name / split).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            picture = rng.integers(0, 256, (192, 256, 3), dtype=np.uint8)
            mask = rng.choice([0, 1, 2, 255], (192, 256)).astype(np.uint8)
            cv2.imwrite(str(folder / f'images/{split}/{i}.jpg'), picture)
            cv2.imwrite(str(folder / f'annotations/{split}/{i}.png'), mask)


def search_of(clone, folder, config, options):
    """Leave the result of a search where a page takes it from."""
    if not (clone / folder / 'derived.safetensors').is_file():
        words = ['tools/search.py', config, '--work-dir', folder, '--cfg-options', *options]
        run([PYTHON, *words], clone, {})


@pytest.fixture(scope='module')
def data(clone):
    """The data sets that the pages speak of, where they say that these are."""
    write_images(clone / 'PATH')
    if DATA.is_dir():
        (clone / 'PATH/TO').mkdir()
        (clone / 'PATH/TO/BCCD').symlink_to(DATA / 'bccd_voc')
        (clone / 'PATH/TO/camvid').symlink_to(DATA / 'camvid')
        write_boxes(clone / 'data/mine_boxes')
        write_masks(clone / 'data/mine_masks')


def run(words, clone, environment):
    """Run a command in the clone; show what it said if it fails."""
    given = {'OMP_NUM_THREADS': '1', 'PPNAS_OFFLINE': '1', **environment}
    if sys.executable == PYTHON:
        given['PYTHONPATH'] = str(clone)
    where = os.pathsep.join([str(Path(PYTHON).parent), os.environ['PATH']])
    done = subprocess.run(
        words, cwd=clone, env={**os.environ, 'PATH': where, **given}, capture_output=True, text=True
    )
    assert done.returncode == 0, f'{" ".join(words)}\n{done.stdout[-600:]}\n{done.stderr[-1200:]}'


def run_python(block, clone):
    """Run a Python block: a file of the user's is written, a library's config is built."""
    if block.file:
        (clone / block.file).parent.mkdir(exist_ok=True)
        (clone / block.file).write_text(block.text)
    elif '_base_' in block.text or block.text.startswith('model = '):
        pass  # test_readme.py builds them
    else:
        run([PYTHON, '-c', block.text], clone, {})


@pytest.mark.parametrize('page', list(filter(runnable, PAGES)))
def test_page(page, clone, data):
    needs = re.search(r'BCCD|camvid', (ROOT / page).read_text(), re.I)
    if needs and not DATA.is_dir():
        pytest.skip(f'{page} needs the data sets in {DATA}')
    count = 0
    for block in blocks(page):
        if 'own_' in page and block.kind == 'bash' and 'work_dirs/digits/' in block.text:
            options = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'model.threshold=0.01']
            options += [
                'optim_wrapper.arch.optimizer.lr=1.0',
                'train_dataloader.dataset.indices=256',
            ]
            search_of(clone, 'work_dirs/digits', 'configs/search/ppnas_digits.py', options)
        if block.kind == 'python':
            run_python(block, clone)
            count += 1
        for command in commands(block.text) if block.kind == 'bash' else ():
            if reason_not_to_run(command):
                continue
            words = [PYTHON if word == 'python' else word for word in small(command)]
            words = [re.sub(r'epoch_(6|100)\.pth', 'epoch_1.pth', word) for word in words]
            words = [word.replace('PATH', str(clone / 'PATH')) for word in words]
            run(words, clone, command.environment)
            count += 1
    assert count
