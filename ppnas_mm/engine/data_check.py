"""Annotations that cannot be right, found before they waste a training run."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import Compose
from mmengine.hooks import Hook
from mmengine.logging import print_log
from torch import nn

from ..registry import HOOKS


class AnnotationError(ValueError):
    """Annotations that do not fit the config; the message names the file and what is right."""


class NamingPipeline(Compose):
    """A pipeline whose errors name the image; those of a loader's worker would not."""

    def __call__(self, data: dict) -> dict | None:
        """Run the transforms.

        Raises:
            AnnotationError: Naming the image, its mask and what went wrong.
        """
        files = ', '.join(str(data[k]) for k in ('img_path', 'seg_map_path') if data.get(k))
        try:
            return super().__call__(data)
        except Exception as error:
            reason = ' '.join(str(error).split()) or type(error).__name__
            raise AnnotationError(f'{files or "a sample"} cannot be loaded: {reason}') from error


PIXEL_HEADS = ('decode_head', 'auxiliary_head')  # mmseg's names


def heads(model: nn.Module, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the heads of a model, also of one inside a search, that have these names."""
    return {
        name: module
        for name, module in model.named_modules()
        if name.split('.')[-1] in names and isinstance(getattr(module, 'num_classes', None), int)
    }


def _leaves(dataset: Any) -> Iterator[Any]:
    """Yield the datasets inside of wrappers (concatenated, repeated)."""
    inner = getattr(dataset, 'datasets', None)
    if inner is None and hasattr(dataset, 'dataset'):
        inner = [dataset.dataset]
    if inner is None:
        yield dataset
    for one in inner or ():
        yield from _leaves(one)


def _check_categories(ann_file: str, classes: tuple[str, ...]) -> None:
    """Compare own classes with a COCO file: mmdet drops unknown ones and counts in file order."""
    known = [c['name'] for c in json.loads(Path(ann_file).read_text())['categories']]
    missing = sorted(set(classes) - set(known))
    if missing:
        raise AnnotationError(
            f'{ann_file} has the categories {known}, without {missing} of metainfo.classes'
        )
    ordered = tuple(name for name in known if name in classes)
    if ordered != classes:
        raise AnnotationError(
            f'{ann_file}: metainfo.classes={classes} must be in the order of the file: {ordered}'
        )


def check_dataset(dataset: Any, model: nn.Module) -> None:
    """Compare one annotated dataset with its classes and with the heads of a model.

    Raises:
        AnnotationError: If the dataset is empty, has no box of any class, names classes that its
            annotation file does not have or has in another order, or has another number of
            classes than a head.
    """
    where = f'{type(dataset).__name__}: {dataset.ann_file or dataset.data_prefix}'
    classes = tuple(dataset.metainfo.get('classes') or ())
    if len(dataset) == 0:
        raise AnnotationError(f'{where}: no image is left to train on; is the annotation empty?')
    for name, head in heads(model, ('bbox_head', *PIXEL_HEADS)).items():
        if classes and head.num_classes != len(classes):
            raise AnnotationError(
                f'{where} has {len(classes)} classes {classes}, but '
                f'{name}.num_classes={head.num_classes}; set it, or metainfo.classes of the dataset'
            )
    if hasattr(dataset, 'cat_ids') and classes != type(dataset).METAINFO.get('classes'):
        _check_categories(dataset.ann_file, classes)
    if 'instances' not in dataset.get_data_info(0):
        return
    labels: set[int] = set()
    for i in range(len(dataset)):
        labels.update(box['bbox_label'] for box in dataset.get_data_info(i)['instances'])
        if len(labels) == len(classes):
            break
    if not labels:
        raise AnnotationError(f'{where}: no image has a box of the classes {classes}')
    unused = [name for label, name in enumerate(classes) if label not in labels]
    if unused:
        print_log(f'{where}: no box of {unused}; is a name misspelt?', 'current', logging.WARNING)


@HOOKS.register_module()
class DataCheckHook(Hook):
    """Checks the training set before training, and every mask that is trained on.

    A detection set whose class names differ from those of its files would train on empty images,
    and a mask with too large a number would end in an index error (or worse, on a GPU).
    """

    def before_train(self, runner: Any) -> None:
        """Check the training set and, where there is one, the validation set.

        Raises:
            AnnotationError: See :func:`check_dataset`.
        """
        model = runner.model
        checked = bool(heads(model, ('bbox_head', *PIXEL_HEADS)))
        pixel_heads = heads(model, PIXEL_HEADS).values()
        self.classes = min((head.num_classes for head in pixel_heads), default=0)
        self.ignored = torch.tensor([head.ignore_index for head in pixel_heads])
        for loader in (runner.train_dataloader, getattr(runner.val_loop, 'dataloader', None)):
            for dataset in _leaves(loader.dataset) if loader is not None else ():
                if checked and hasattr(dataset, 'metainfo'):
                    check_dataset(dataset, model)
                if type(getattr(dataset, 'pipeline', None)) is Compose:
                    dataset.pipeline = NamingPipeline(dataset.pipeline.transforms)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Check the masks of a batch.

        Raises:
            AnnotationError: Naming the mask and its largest number.
        """
        samples = data_batch.get('data_samples', ()) if isinstance(data_batch, dict) else ()
        for sample in samples if isinstance(samples, (list, tuple)) else ():
            if not self.classes or 'gt_sem_seg' not in sample:
                continue
            mask = sample.gt_sem_seg.data
            largest = int(mask.masked_fill(torch.isin(mask, self.ignored), 0).max())
            if largest >= self.classes:
                raise AnnotationError(
                    f'{sample.metainfo.get("seg_map_path", "a mask")} has the label {largest}, but '
                    f'the model has {self.classes} classes (0 to {self.classes - 1}); set '
                    'num_classes or ignore_index of the heads, or relabel the mask'
                )
