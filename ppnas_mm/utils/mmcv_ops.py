"""The compiled ops of mmcv that detectors need, by torchvision or plain torch where mmcv has none.

``compat.guard_mmcv`` puts :func:`stand_in` in the place of ``mmcv._ext`` if that is not built. The
Python part of ``mmcv.ops`` stays mmcv's own, so this file computes what its C++ functions compute:
non-maximum suppression, RoIAlign and the sigmoid focal loss (mmdet takes the op on a GPU only). All
other ops stop when they are called, by name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn import functional

NAME = 'mmcv._ext'


def compile_command() -> str:
    """Return the command that compiles the ops of the installed mmcv."""
    import mmcv

    return (
        'MMCV_WITH_OPS=1 pip install --force-reinstall --no-deps --no-cache-dir '
        f'--no-build-isolation onedl-mmcv=={mmcv.__version__}'
    )


def _refuse(op: str) -> NoReturn:
    raise ImportError(
        f'mmcv has no compiled ops here, and {op} needs them; compile them (15 to 20 minutes): '
        f'{compile_command()}'
    )


def _compiled_torchvision() -> Any:
    """Return ``torchvision.ops`` if torchvision has its compiled ops, else ``None``."""
    try:
        from torchvision import extension, ops
    except ImportError:
        return None
    return ops if extension._has_ops() else None


def _exact(tensor: Tensor) -> Tensor:
    """Return a tensor of at least single precision."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def plain_nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keep the surest box, drop what overlaps it by more than the threshold, and so on.

    Args:
        boxes: (N, 4), x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: Intersection over union.

    Returns:
        The indices of the boxes kept, by falling score.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order, kept = scores.sort(descending=True, stable=True).indices, []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        corner = torch.maximum(boxes[first, :2], boxes[order, :2])
        size = (torch.minimum(boxes[first, 2:], boxes[order, 2:]) - corner).clamp(min=0)
        shared = size.prod(1)
        overlap = shared / (areas[first] + areas[order] - shared)
        order = order[~(overlap > iou_threshold)]  # boxes without an area overlap by nan: kept
    return torch.stack(kept) if kept else order


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices that non-maximum suppression keeps, as ``mmcv._ext.nms`` does.

    Args:
        boxes: (N, 4), x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: Intersection over union from which on the less sure box goes.
        offset: Added to widths and heights.
    """
    boxes, scores = _exact(boxes), _exact(scores).to(_exact(boxes).dtype)
    boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    order = scores.sort(descending=True).indices  # as mmcv does, so ties fall the same way
    ops = _compiled_torchvision()
    keep = ops.nms if ops else plain_nms
    return order[keep(boxes[order], scores[order], iou_threshold)]


def _samples(start: Tensor, length: Tensor, bins: int, per_bin: int, size: int) -> Tensor:
    """Return the (bins, size) weights of an axis' pixels in the means over the bins of a box.

    Bilinear interpolation at the ``per_bin`` points of each bin; points more than a pixel outside
    count as zero.
    """
    step = length / (bins * per_bin)
    points = start + step * (torch.arange(bins * per_bin).to(start) + 0.5)
    inside = (points >= -1) & (points <= size)
    points = points.clamp(0, size - 1)
    pixels = torch.arange(size).to(start)
    weights = (1 - (points[:, None] - pixels).abs()).clamp(min=0) * inside[:, None]
    return weights.view(bins, per_bin, size).mean(1)


def plain_roi_align(
    maps: Tensor, rois: Tensor, size: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> Tensor:
    """RoIAlign (Mask R-CNN) by averages: two matrix products a box, for both axes are separable.

    Args:
        maps: (N, C, H, W).
        rois: (K, 5): image, x1, y1, x2, y2.
        size: Bins of a box, rows and columns.
        scale: Of the boxes.
        ratio: Points a bin and axis; 0 takes one a pixel.
        aligned: Whether pixels are shifted by one half.

    Returns:
        (K, C, *size).
    """
    pooled = [maps.new_zeros(0, maps.shape[1], *size)]
    for roi in rois:
        corners = roi[1:] * scale - (0.5 if aligned else 0.0)
        start, length = corners[:2], corners[2:] - corners[:2]
        if not aligned:
            length = length.clamp(min=1)
        axes = []
        for axis, bins in ((1, size[0]), (0, size[1])):
            count = ratio or max(int(torch.ceil(length[axis] / bins)), 1)
            axes.append(_samples(start[axis], length[axis], bins, count, maps.shape[3 - axis]))
        rows, columns = axes
        pooled.append((rows @ maps[int(roi[0])] @ columns.T)[None])
    return torch.cat(pooled)


def _roi_align(maps: Tensor, rois: Tensor, options: dict[str, Any]) -> Tensor:
    if options['pool_mode'] != 1:
        _refuse("RoIAlign with pool_mode='max'")
    maps = _exact(maps)
    size = (options['aligned_height'], options['aligned_width'])
    ops = _compiled_torchvision()
    pool = ops.roi_align if ops else plain_roi_align
    ratio = max(options['sampling_ratio'], 0)
    return pool(
        maps, rois.to(maps.dtype), size, options['spatial_scale'], ratio, options['aligned']
    )


def _gradient(function: Callable[[Tensor], Tensor], at: Tensor, grad: Tensor | None) -> Tensor:
    with torch.enable_grad():
        at = at.detach().requires_grad_()
        value = function(at)
        grad = torch.ones_like(value) if grad is None else grad.to(value.dtype)
        return torch.autograd.grad(value, at, grad)[0]


def roi_align_forward(
    maps: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor, **options: Any
) -> None:
    """Fill ``output`` (K, C, H, W), as ``mmcv._ext.roi_align_forward`` does; means only."""
    output.copy_(_roi_align(maps, rois, options))


def roi_align_backward(
    grad: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_maps: Tensor,
    **options: Any,
) -> None:
    """Fill ``grad_maps`` (N, C, H, W) from the gradient of the pooled maps."""

    def pool(maps: Tensor) -> Tensor:
        return _roi_align(maps, rois, options)

    grad_maps.copy_(_gradient(pool, grad_maps, grad))  # linear: any maps have this gradient


def _focal(logits: Tensor, target: Tensor, gamma: float, alpha: float) -> Tensor:
    logits = _exact(logits)
    right = functional.one_hot(target, logits.shape[1] + 1)[:, :-1].bool()  # the last: background
    p = logits.sigmoid()
    hit = -alpha * (1 - p) ** gamma * functional.logsigmoid(logits)
    miss = -(1 - alpha) * p**gamma * functional.logsigmoid(-logits)
    return torch.where(right, hit, miss)


def sigmoid_focal_loss_forward(
    logits: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N, C) with the focal loss of each logit; ``target`` (N,) counts from 0."""
    if weight.numel():
        _refuse('sigmoid_focal_loss with weights of classes')
    output.copy_(_focal(logits, target, gamma, alpha))


def sigmoid_focal_loss_backward(
    logits: Tensor, target: Tensor, weight: Tensor, grad: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad`` (N, C) with the gradient of the sum of the losses."""
    grad.copy_(_gradient(lambda x: _focal(x, target, gamma, alpha), logits, None))


OPS: dict[str, Callable[..., Any]] = {
    'nms': nms,
    'roi_align_forward': roi_align_forward,
    'roi_align_backward': roi_align_backward,
    'sigmoid_focal_loss_forward': sigmoid_focal_loss_forward,
    'sigmoid_focal_loss_backward': sigmoid_focal_loss_backward,
    'get_compiler_version': lambda: 'n/a',
    'get_compiling_cuda_version': lambda: 'n/a',
}
"""By name in ``mmcv._ext``."""


class _StandIn(ModuleType):
    """A module with :data:`OPS`; any other name is a function that refuses."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            _refuse(name)

        return missing


def stand_in() -> ModuleType:
    """Return what takes the place of ``mmcv._ext``."""
    module = _StandIn(NAME, 'Stands in for the compiled ops of mmcv.')
    module.__spec__ = ModuleSpec(NAME, None)  # mmengine asks for it
    module.__dict__.update(OPS)
    return module
