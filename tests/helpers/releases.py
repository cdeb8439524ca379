"""Small zips as the authors of PP-NAS released theirs, and lists of a zoo that offer them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import tf_writer
import torch
from foreign_keras import END, Keras
from tool import ROOT

PUBLISHED = ROOT / 'model_zoo' / 'published.json'
ENTRIES = {entry['name']: entry for entry in json.loads(PUBLISHED.read_text())['entries']}
WORDS = {
    'first': ('24S 13C 6C 67C', '34S 12C 6C 7C', '23S 14C 6C 7C', '12S 34C 6C 347C'),
    'second': ('23S 14C 6C 67C', '134S 12C 6C 7C', '124S 234C 6C 7C', '1S 23C 6C 47C'),
}
"""Of the two genotypes of the authors: sources, S identity, C 3x3."""
KINDS = {
    'pp_resnet50.imagenet': 'first',
    'pp_resnet50.imagenet-nlb': 'first',
    'pp_resnet50.imagenet-g2': 'second',
    'pp_resnet50.imagenet-g2-aug': 'second',
    'resnet50-vd.imagenet': 'resnet',
    'res2net50-vd.imagenet': 'res2net',
}
"""The network of each entry."""
BACKBONES = {
    'first': "arch='pp_resnet_imagenet'",
    'second': "arch='pp_resnet_imagenet_g2'",
    'resnet': "block='resnet', stride_in='conv3x3'",
    'res2net': "block='res2net', stride_in='conv3x3'",
}
CLASSES = 3
SMALL = dict(type='ppnas_mm.PPResNet', depth=50, stem_channels=8, base_channels=8)
CONFIG = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ppnas_mm.PPResNet', depth=50, stem_channels=8, base_channels=8, {backbone}),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=3, in_channels=256, loss=dict(type='CrossEntropyLoss'),
        topk=(1,)))
data_preprocessor = dict(mean=[120., 110., 100.], std=[60., 50., 40.], to_rgb=True, num_classes=3)
test_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='ImageNet', data_root='data/imagenet', split='val',
        pipeline=[
            dict(type='LoadImageFromFile'), dict(type='ResizeEdge', scale=72, edge='short'),
            dict(type='CenterCrop', crop_size=64), dict(type='PackInputs')]))
test_evaluator = dict(type='Accuracy', topk=(1,))
test_cfg = dict()
"""


class Release:
    """A released network with random values: its zip, and what it computes.

    Args:
        kind: A key of :data:`BACKBONES`.
        prefix: Before every name.
    """

    def __init__(self, kind: str, prefix: str = 'model/', seed: int = 0) -> None:
        words = [stage.split() for stage in WORDS.get(kind, ())] or [kind] * 4
        self.net = Keras(words, (3, 4, 6, 3), 8, 8, True, CLASSES, seed)
        self(torch.zeros(1, 3, 64, 64))  # makes the values
        for name, value in self.net.arrays.items():
            convolution = name.endswith(f'/kernel{END}') and value.ndim == 4
            gain = 8**0.5 if convolution else 0.3 if f'bn3/gamma{END}' in name else 1
            self.net.arrays[name] = (gain * value).astype(np.float32)  # images reach the logits
        names = {name: name.replace('fc/', 'fc_ckpt_ignored/') for name in self.net.arrays}
        self.tensors = {f'{prefix}{names[k]}': v for k, v in self.net.arrays.items()}
        assert all(name.endswith(END) for name in self.tensors)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images (N, 3, H, W), in float64."""
        return torch.from_numpy(self.net(images.double().permute(0, 2, 3, 1).numpy()))

    def zip(self, folder: Path) -> bytes:
        path = tf_writer.write_zip(folder / 'made.zip', *tf_writer.bundle(self.tensors))
        return path.read_bytes()


def digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def write_zoo(root: Path, *entries: dict[str, Any], config: str = CONFIG) -> Path:
    """Write the lists of a zoo, classes, and the config of each entry; return the index."""
    zoo = root / 'model_zoo'
    zoo.mkdir(parents=True, exist_ok=True)
    (zoo / 'index.json').write_text(json.dumps({'schema': 1, 'entries': []}))
    (zoo / 'published.json').write_text(json.dumps({'schema': 1, 'entries': list(entries)}))
    (zoo / 'three.json').write_text(json.dumps(['cat', 'dog', 'cat']))  # as in ImageNet, one twice
    for entry in entries:
        (root / entry['config']).parent.mkdir(parents=True, exist_ok=True)
        text = config.format(backbone=BACKBONES[KINDS[entry['name']]])
        (root / entry['config']).write_text(text)
    return zoo / 'index.json'


def small(name: str, content: bytes, place: str, **changes: Any) -> dict[str, Any]:
    """The entry of a small release under the name, genotype and kind of a real one."""
    facts = dict(url=place, digits=digits(content), input_size=[3, 64, 64], classes='three.json')
    facts['normalisation'] = {'mean': [120, 110, 100], 'std': [60, 50, 40]}
    facts['config'] = f'configs/classification/small-{KINDS[name]}.py'
    return {**ENTRIES[name], **facts, **changes}
