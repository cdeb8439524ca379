"""A small model and a random batch of each library, around any super-net."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData, PixelData

from ppnas_mm.registry import MODELS

PPCONV = {
    'type': 'ppnas_mm.PPConvSuperNet',
    'macro': 'imagenet',
    'depth': 50,
    'stem_channels': 16,
    'base_channels': 16,
}
DARTS = {
    'type': 'ppnas_mm.DARTSSuperNet',
    'variant': 'imagenet',
    'num_cells': 3,
    'init_channels': 4,
}
MOBILE = {'type': 'ppnas_mm.MobileSuperNet', 'width': 0.25, 'depths': (1, 2, 1, 1, 1, 1)}
PYRAMIDS = {'ppconv': PPCONV, 'darts': DARTS, 'mobile': MOBILE}
"""Super-nets with maps of strides 4 to 32, as detectors take them."""


def channels(backbone: dict) -> list[int]:
    """Channels of the maps of a backbone."""
    with torch.device('meta'):
        return MODELS.build(backbone).out_channels


def classifier(backbone: dict, classes: int = 3) -> dict[str, Any]:
    """An mmpretrain classifier on the last map."""
    return {
        'type': 'mmpretrain.ImageClassifier',
        'backbone': backbone,
        'neck': {'type': 'GlobalAveragePooling'},
        'head': {
            'type': 'LinearClsHead',
            'num_classes': classes,
            'in_channels': channels(backbone)[-1],
            'loss': {'type': 'CrossEntropyLoss'},
        },
        'data_preprocessor': {
            'type': 'mmpretrain.ClsDataPreprocessor',
            'mean': [128.0] * 3,
            'std': [64.0] * 3,
        },
    }


def segmentor(backbone: dict, classes: int = 3) -> dict[str, Any]:
    """An mmseg segmentor with an FCN head on the last map."""
    return {
        'type': 'mmseg.EncoderDecoder',
        'backbone': backbone,
        'decode_head': {
            'type': 'FCNHead',
            'in_channels': channels(backbone)[-1],
            'in_index': -1,
            'channels': 8,
            'num_convs': 1,
            'num_classes': classes,
            'dropout_ratio': 0,
            'loss_decode': {'type': 'CrossEntropyLoss'},
        },
        'data_preprocessor': {
            'type': 'mmseg.SegDataPreProcessor',
            'mean': [128.0] * 3,
            'std': [64.0] * 3,
            'size': (64, 64),
        },
    }


def detector(backbone: dict, classes: int = 3) -> dict[str, Any]:
    """An mmdet RetinaNet."""
    return {
        'type': 'mmdet.RetinaNet',
        'backbone': backbone,
        'neck': {
            'type': 'FPN',
            'in_channels': channels(backbone),
            'out_channels': 8,
            'start_level': 1,
            'add_extra_convs': 'on_input',
            'num_outs': 5,
        },
        'bbox_head': {
            'type': 'RetinaHead',
            'num_classes': classes,
            'in_channels': 8,
            'feat_channels': 8,
            'stacked_convs': 1,
            'anchor_generator': {
                'type': 'AnchorGenerator',
                'octave_base_scale': 4,
                'scales_per_octave': 1,
                'ratios': [1.0],
                'strides': [8, 16, 32, 64, 128],
            },
        },
        'train_cfg': {
            'assigner': {'type': 'MaxIoUAssigner', 'pos_iou_thr': 0.5, 'neg_iou_thr': 0.4},
            'sampler': {'type': 'PseudoSampler'},
            'allowed_border': -1,
            'pos_weight': -1,
        },
        'data_preprocessor': {
            'type': 'mmdet.DetDataPreprocessor',
            'mean': [128.0] * 3,
            'std': [64.0] * 3,
        },
    }


def pictures(number: int, size: int, seed: int) -> list[torch.Tensor]:
    """Random images as the libraries' loaders give them."""
    generator = torch.Generator().manual_seed(seed)
    shape = (3, size, size)
    return [torch.randint(0, 256, shape, generator=generator).byte() for _ in range(number)]


def classifier_batch(number: int = 4, size: int = 16, seed: int = 0) -> dict[str, Any]:
    """Images and labels."""
    from mmpretrain.structures import DataSample

    samples = [DataSample().set_gt_label(i % 3) for i in range(number)]
    return {'inputs': pictures(number, size, seed), 'data_samples': samples}


def segmentor_batch(number: int = 2, size: int = 64, seed: int = 0) -> dict[str, Any]:
    """Images and label maps."""
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(seed)
    samples = []
    for _ in range(number):
        sample = SegDataSample(metainfo={'img_shape': (size, size), 'ori_shape': (size, size)})
        labels = torch.randint(0, 3, (1, size, size), generator=generator)
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)
    return {'inputs': pictures(number, size, seed), 'data_samples': samples}


def detector_batch(number: int = 2, size: int = 64, seed: int = 0) -> dict[str, Any]:
    """Images and boxes."""
    from mmdet.structures import DetDataSample

    samples = []
    for i in range(number):
        sample = DetDataSample(metainfo={'img_shape': (size, size), 'scale_factor': (1.0, 1.0)})
        boxes = torch.tensor([[8.0, 8, 40, 40], [20, 30, 60, 62]])
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([i % 3, 2]))
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
        samples.append(sample)
    return {'inputs': pictures(number, size, seed), 'data_samples': samples}


TASKS: dict[str, tuple[Callable[..., dict], Callable[..., dict]]] = {
    'mmpretrain': (classifier, classifier_batch),
    'mmseg': (segmentor, segmentor_batch),
    'mmdet': (detector, detector_batch),
}
"""A model config and a batch of each library."""


def search_optimizers(algorithm: Any, **parts: dict) -> Any:
    """All optimizers of an algorithm, built as a config would; keyword dicts add to the parts."""
    config: dict[str, Any] = {'constructor': 'ppnas_mm.SearchOptimConstructor'}
    for name in getattr(algorithm, 'module', algorithm).optim_parts():
        rate = 0.5 if name == 'arch' else 0.05
        config[name] = {'optimizer': {'type': 'SGD', 'lr': rate}, **parts.get(name, {})}
    return build_optim_wrapper(algorithm, config)
