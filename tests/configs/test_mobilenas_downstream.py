"""MobileNASNet in detectors and segmentors: the recipes of others with another backbone."""

from typing import Any

import pytest
import torch
from config_files import load, scope

from ppnas_mm.registry import MODELS

COCO = 'detection/retinanet_{}_coco'
SEGMENTORS = ('cityscapes', 'voc12aug')


def built(name: str) -> Any:
    """The model of a config, without memory."""
    config = load(name)
    with scope(config), torch.device('meta'):
        return MODELS.build(config.model)


def test_detector_is_that_of_cdarts_but_for_the_backbone() -> None:
    mine, cdarts = load(COCO.format('mobilenas')), load(COCO.format('cdarts-a'))
    backbone = mine.model.pop('backbone')
    assert (backbone.type, backbone.arch) == ('ppnas_mm.MobileNASNet', 'proxylessnas_gpu')
    assert backbone.norm_cfg == cdarts.model.pop('backbone').norm_cfg
    # stages 1 and 2, 4, and the last convolution (SE-NAS, Table 2)
    assert mine.model.neck.pop('in_channels') == [32, 56, 128, 1728]
    del cdarts.model.neck['in_channels']
    assert mine.to_dict() == cdarts.to_dict()


@pytest.mark.parametrize('data', SEGMENTORS)
def test_segmentor_is_that_of_pp_nas_but_for_the_backbone(data: str) -> None:
    name = f'segmentation/deeplabv3plus_mobilenas_{data}'
    mine, theirs = load(name), load(f'segmentation/deeplabv3plus_pp-resnet50-d8_{data}')
    for config in (mine, theirs):
        del config.model['backbone']
        for key in ('in_channels', 'c1_in_channels', 'dilations'):
            del config.model.decode_head[key]
    assert mine.to_dict() == theirs.to_dict()


@pytest.mark.parametrize('data', SEGMENTORS)
def test_dilations_of_the_decoder_are_those_of_its_stride(data: str) -> None:
    """DeepLabv3+ has 6, 12 and 18 at output stride 16."""
    model = built(f'segmentation/deeplabv3plus_mobilenas_{data}')
    info, head = model.backbone.feature_info, model.decode_head
    assert [stage['reduction'] for stage in info] == [4, 8, 16, 32]
    stride = info[head.in_index]['reduction']
    assert [d * stride for d in head.dilations[1:]] == [d * 16 for d in (6, 12, 18)]


@pytest.mark.parametrize(
    'name', [COCO.format('mobilenas'), 'segmentation/deeplabv3plus_mobilenas_cityscapes']
)
def test_weights_of_the_classifier_fit_the_backbone(name: str) -> None:
    """Those of ImageNet, as ``init_cfg`` loads them: every key, every shape."""
    shapes = [
        {key: value.shape for key, value in built(one).backbone.state_dict().items()}
        for one in (name, 'classification/mobilenas_8xb128-240e_in1k')
    ]
    assert shapes[0] == shapes[1]
