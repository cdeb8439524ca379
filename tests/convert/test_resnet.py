"""ResNet-vd of timm, mmpretrain, mmdet and mmseg: the same names, shapes and outputs."""

import importlib
from typing import Any

import pytest
import torch
from zoo import images

from ppnas_mm.convert import FormatError, detect, from_format, to_format
from ppnas_mm.registry import MODELS

OURS = dict(type='ppnas_mm.PPResNet', block='resnet', stride_in='conv3x3')
SMALL = dict(stem_channels=8, base_channels=8)
DEPTHS = (3, 4, 6, 3)


def shake(net: Any) -> Any:
    """A network in float64 whose norms do something."""
    generator = torch.Generator().manual_seed(1)
    net.double().eval()  # mmdet: eval() returns nothing
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if value.dim() == 1 and 'num_batches' not in key:
                noise = torch.rand(value.shape, generator=generator, dtype=value.dtype)
                value.copy_(0.5 + noise)
    return net


def converted(theirs: Any, form: str, **settings: Any) -> Any:
    """Our network with the weights of another."""
    ours = MODELS.build(OURS | settings).double().eval()
    state = theirs.state_dict()
    assert detect(ours, state) == form
    result, report = from_format(ours, state, form)
    assert report.matched == report.total and not report.left
    ours.load_state_dict(result)
    return ours


@torch.no_grad()
def same_maps(ours: Any, theirs: Any) -> None:
    """At an even and an odd size."""
    for size in ((64, 64), (65, 47)):
        x = images(1, 3, *size, dtype=torch.float64)
        for a, b in zip(ours(x), theirs(x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('library', ['mmpretrain', 'mmdet', 'mmseg'])
def test_resnet_v1d_of_a_library(library: str) -> None:
    module = importlib.import_module(f'{library}.models.backbones')
    theirs = shake(module.ResNetV1d(depth=50, out_indices=(0, 1, 2, 3), **SMALL))
    form = 'mmpretrain' if library == 'mmpretrain' else 'mmdet'
    ours = converted(theirs, form, **SMALL)
    same_maps(ours, theirs)
    back = to_format(ours, form)
    assert back.keys() == theirs.state_dict().keys()
    assert all(torch.equal(back[k], v) for k, v in theirs.state_dict().items())


def test_resnet50d_of_timm() -> None:
    timm = pytest.importorskip('timm', reason='pip install timm')
    theirs = shake(timm.create_model('resnet50d', num_classes=0))
    ours = converted(theirs, 'timm', out_indices=(3,))
    same_maps(ours, lambda x: (theirs.forward_features(x),))
    assert to_format(ours, 'timm').keys() == theirs.state_dict().keys()


def names_of_timm() -> set[str]:
    """The modules of timm's resnet50d that have weights, written out."""
    found = {'conv1.0', 'conv1.1', 'conv1.3', 'conv1.4', 'conv1.6', 'bn1', 'fc'}
    for stage, depth in enumerate(DEPTHS, 1):
        for block in range(depth):
            found |= {f'layer{stage}.{block}.{n}{i}' for n in ('conv', 'bn') for i in (1, 2, 3)}
        found |= {f'layer{stage}.0.downsample.{i}' for i in (1, 2)}
    return found


def test_names_of_timm() -> None:
    head = dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=256)
    neck = dict(type='mmpretrain.GlobalAveragePooling')
    settings = dict(type='mmpretrain.ImageClassifier', backbone=OURS | SMALL, neck=neck, head=head)
    model = MODELS.build(settings)
    assert {key.rpartition('.')[0] for key in to_format(model, 'timm')} == names_of_timm()


@pytest.mark.parametrize('form', ['timm', 'mmpretrain', 'mmdet'])
@pytest.mark.parametrize('other', [dict(stride_in='pool'), dict(block='res2net')])
def test_other_networks_have_no_names_there(form: str, other: dict[str, str]) -> None:
    """With a pool the tensors would have the same shapes, and compute something else."""
    with pytest.raises(FormatError, match='PPResNet'):
        to_format(MODELS.build(OURS | SMALL | other), form)
