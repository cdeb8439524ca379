"""Trains a step and tests four detectors on images, and saves all numbers: OUT, mode, images.

Mode ``without`` hides mmcv's compiled ops, as an installation has it that did not compile them.
"""

import sys
from pathlib import Path
from typing import Any

out, mode, *images = sys.argv[1:]
if mode == 'without':
    sys.modules['mmcv._ext'] = None  # type: ignore[assignment]

import cv2  # noqa: E402
import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

import ppnas_mm  # noqa: E402, F401

import mmdet  # noqa: E402  isort: skip
from mmdet.registry import MODELS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.utils import register_all_modules  # noqa: E402

CONFIGS = Path(__file__).parents[2] / 'configs/detection'
THEIRS = Path(mmdet.__file__).parent / '.mim/configs'
SMALL: dict[str, Any] = dict(
    type='ppnas_mm.PPResNet',
    depth=50,
    arch='pp_resnet_imagenet',
    stem_channels=8,
    base_channels=8,
    norm_cfg=dict(type='BN'),
    out_indices=(0, 1, 2, 3),
)
HEADS: dict[str, dict] = {'bbox_head': dict(fc_out_channels=64), 'mask_head': {}}
NAMES = {
    'RetinaNet': CONFIGS / 'retinanet_pp-resnet_bccd.py',
    'GFLV2': CONFIGS / 'gflv2_pp-resnet_digit-scenes.py',
    'Faster R-CNN': THEIRS / 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'Mask R-CNN': THEIRS / 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
}


def build(name: str) -> Any:
    """A small detector with random weights that keeps boxes of any score."""
    config = Config.fromfile(str(NAMES[name]))
    if 'R-CNN' in name:
        config.model.backbone = SMALL
        heads = {
            key: dict(in_channels=32, num_classes=6) | more
            for key, more in HEADS.items()
            if key in config.model.roi_head
        }
        extractors = {key.replace('head', 'roi_extractor'): dict(out_channels=32) for key in heads}
        small = dict(
            neck=dict(in_channels=[32, 64, 128, 256], out_channels=32),
            rpn_head=dict(in_channels=32, feat_channels=32),
            roi_head=heads | extractors,
            test_cfg=dict(rcnn=dict(score_thr=0.0)),
        )
        config.merge_from_dict(dict(model=small))
    else:
        config.model.test_cfg.score_thr = 0.0
    config.model.pop('pretrained', None)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    for parameter in model.parameters():  # as if it had been trained: scores and boxes differ
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, parameter.mean().item(), 0.3)
    return model


def sample(image: Any, masks: bool) -> DetDataSample:
    """Two boxes of an image as its annotation."""
    height, width = image.shape[-2:]
    boxes = torch.tensor([[5.0, 8, 60, 70], [20, 30, width - 10, height - 20]])
    instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 1]))
    if masks:
        from mmdet.structures.mask import BitmapMasks

        bits = torch.zeros(2, height, width, dtype=torch.uint8)
        bits[0, 8:70, 5:60] = bits[1, 30:90, 20:100] = 1
        instances.masks = BitmapMasks(bits.numpy(), height, width)
    shape = dict(img_shape=(height, width), ori_shape=(height, width), scale_factor=(1.0, 1.0))
    data = DetDataSample(metainfo=shape)
    data.gt_instances = instances
    return data


def numbers(name: str) -> dict[str, list[torch.Tensor]]:
    """Loss and the norm of each gradient; of each image boxes, scores and classes."""
    model = build(name)
    pixels = [torch.from_numpy(cv2.imread(path)).permute(2, 0, 1) for path in images]
    samples = [sample(image, name.startswith('Mask')) for image in pixels]
    batch = model.data_preprocessor(dict(inputs=pixels, data_samples=samples), training=True)
    torch.manual_seed(1)  # samplers draw
    losses, _ = model.parse_losses(model(**batch, mode='loss'))
    losses.backward()
    grads = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    found: dict[str, list[torch.Tensor]] = {'step': [losses.detach(), torch.stack(grads)]}
    model.eval()
    for path, image, annotated in zip(images, pixels, samples, strict=True):
        with torch.no_grad():
            result = model.test_step(dict(inputs=[image], data_samples=[annotated]))[0]
        predicted = result.pred_instances
        found[Path(path).stem] = [predicted.bboxes, predicted.scores, predicted.labels.float()]
        if 'masks' in predicted:
            found[Path(path).stem].append(predicted.masks.flatten(1).sum(1).float())
    return found


register_all_modules(init_default_scope=True)
torch.set_num_threads(1)
torch.save({name: numbers(name) for name in NAMES}, out)
