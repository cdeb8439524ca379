"""Backbones of the model zoo in configs of the libraries."""

from typing import Any

import pytest
from mmengine.config import Config

from ppnas_mm.cli.train import replacing
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config
from ppnas_mm.config.model import build_model
from ppnas_mm.config.shipped import find_config
from ppnas_mm.weights.index import ZooError

FULL = [256, 512, 1024, 2048]
CASES: dict[str, tuple[list[int], dict[str, Any]]] = {
    'mmdet::faster-rcnn_r50_fpn_1x_coco': (FULL, {'frozen_stages': 1, 'norm_eval': True}),
    'mmdet::mask-rcnn_r50-caffe_fpn_1x_coco': (FULL, {'frozen_stages': 1}),
    'mmdet::fcos_r50-caffe_fpn_gn-head_1x_coco': (FULL, {'norm_eval': True}),
    'mmdet::rtmdet_tiny_8xb32-300e_coco': (FULL[1:], {'out_indices': (1, 2, 3)}),
    'mmseg::upernet_r50_4xb4-20k_voc12aug-512x512': (FULL, {'norm_cfg': 'SyncBN'}),
    'mmseg::segformer_mit-b0_8xb2-160k_ade20k-512x512': (FULL, {}),
    'mmseg::deeplabv3plus_r50-d8_4xb4-20k_voc12aug-512x512': (
        FULL, {'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4)}
    ),
    'mmpretrain::resnet50_8xb32_in1k': (FULL[3:], {'out_indices': (3,)}),
}  # fmt: skip


def reader(model: Any) -> Any:
    """What reads the maps of the backbone."""
    pools = 'neck' not in model or model.neck.type == 'GlobalAveragePooling'
    return model.get('decode_head', model.get('head')) if pools else model.neck


@pytest.mark.parametrize('name', sorted(CASES))
def test_a_librarys_config_with_a_backbone_of_the_zoo(name: str) -> None:
    channels, expected = CASES[name]
    given = load_config(find_config(name))
    before = given.pretty_text
    config = replacing('pp_resnet50')(given)
    assert given.pretty_text == before
    backbone = config.model.backbone
    start = {'type': 'Pretrained', 'checkpoint': 'ppnas://pp_resnet50.imagenet'}
    assert {key: backbone.init_cfg[key] for key in start} == start
    assert backbone.type == 'ppnas_mm.PPResNet'
    for key, value in expected.items():
        assert (backbone[key].type if key == 'norm_cfg' else backbone[key]) == value
    wanted = reader(config.model).in_channels
    if name.startswith('mmseg::deeplab'):
        assert wanted == 2048 and config.model.decode_head.c1_in_channels == 256
    else:
        assert (wanted if isinstance(wanted, list) else [wanted]) == channels
    parts = [config.model.get('data_preprocessor'), config.get('data_preprocessor')]
    parts = [part for part in parts if part and 'mean' in part]
    assert parts
    for part in parts:
        assert part['mean'] == [123.675, 116.28, 103.53]
        assert part['std'] == [58.395, 57.12, 57.375]
        assert part.get('to_rgb', part.get('bgr_to_rgb')) is True


@pytest.mark.parametrize(
    ('name', 'indices'),
    [('retinanet_pp-resnet_bccd', (1, 2)), ('deeplabv3plus_pp-resnet_camvid', (0, 1, 2))],
)
def test_a_network_of_the_same_class_has_the_strides_of_the_config(
    name: str, indices: tuple[int, ...]
) -> None:
    """That of CIFAR-10 has strides 1, 2 and 2 of its own."""
    config = replacing('pp_resnet20.cifar10-20k')(load_config(find_config(name)))
    backbone = config.model.backbone
    assert tuple(backbone.strides) == (2, 2, 2) and tuple(backbone.out_indices) == indices
    assert backbone.arch.provenance.source.endswith('PP_ResNet_CIFAR10_FAIR_AVD_2')
    assert config.model.data_preprocessor.std == [51.5865, 50.847, 51.255]
    model: Any = build_model(config)  # with the weights of the zoo
    assert len(model.backbone.out_channels) == len(indices)


def test_the_model_is_built() -> None:
    config = replacing('pp_resnet50')(
        load_config(find_config('mmdet::fcos_r50-caffe_fpn_gn-head_1x_coco'))
    )
    config.model.backbone.init_cfg = None
    model: Any = build_model(config)
    assert model.backbone.out_channels == FULL


def test_an_unknown_backbone_and_a_config_without_one() -> None:
    with pytest.raises(ZooError, match='no backbone with the name'):
        replacing('pp_resnet5O')
    with pytest.raises(ConfigError, match=r'no model\.backbone to replace'):
        replacing('pp_resnet50')(Config(dict(model=dict(type='X'))))
