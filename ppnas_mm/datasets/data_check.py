"""Finds invalid annotations before a training run."""

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

from ..utils.registries import HOOKS
from .box_check import AnnotationError, check_boxes, check_coco_file
from .mask_check import check_labels, check_mask_file


class NamingPipeline(Compose):
    """A pipeline whose errors name the image, also in loader workers."""

    def __call__(self, data: dict) -> dict | None:
        """Run the transforms; check a mask where it is read.

        Raises:
            AnnotationError: If one fails; the message names image, mask and reason.
        """
        files = ', '.join(str(data[k]) for k in ('img_path', 'seg_map_path') if data.get(k))
        try:
            return self._run(data)
        except AnnotationError:
            raise
        except Exception as error:
            reason = ' '.join(str(error).split()) or type(error).__name__
            raise AnnotationError(f'{files or "a sample"} cannot be loaded: {reason}') from error

    def _run(self, data: Any) -> dict | None:
        for transform in self.transforms:
            had_mask = 'gt_seg_map' in data
            data = transform(data)
            if data is None:
                return None
            if not had_mask and 'gt_seg_map' in data:
                check_mask_file(data)
        return data


PIXEL_HEADS = ('decode_head', 'auxiliary_head')  # mmseg's names


def heads(model: nn.Module, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the heads with these names in a model, also inside a search."""
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
    """Compare classes with a COCO file: mmdet drops unknown ones and numbers them in file order."""
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
        AnnotationError: If the dataset is empty or has no box, its classes are not those of the
            annotation file in the same order, or a head has another number of classes.
    """
    where = f'{type(dataset).__name__}: {dataset.ann_file or dataset.data_prefix}'
    classes = tuple(dataset.metainfo.get('classes') or ())
    if len(dataset) == 0:
        raise AnnotationError(f'{where}: no image is left to train on; is the annotation empty?')
    boxed = tuple(dataset.metainfo.get('thing_classes') or classes)  # of panoptic data
    for name, head in heads(model, ('bbox_head', *PIXEL_HEADS)).items():
        known = boxed if name.split('.')[-1] == 'bbox_head' else classes
        if known and head.num_classes != len(known):
            raise AnnotationError(
                f'{where} has {len(known)} classes {known}, but '
                f'{name}.num_classes={head.num_classes}; set it, or metainfo.classes of the dataset'
            )
    if hasattr(dataset, 'cat_ids') and classes != type(dataset).METAINFO.get('classes'):
        _check_categories(dataset.ann_file, classes)
    if 'instances' not in dataset.get_data_info(0):
        return
    if hasattr(dataset, 'cat_ids'):
        check_coco_file(dataset.ann_file)
    unused = check_boxes(dataset, where, boxed)
    if unused:
        print_log(f'{where}: no box of {unused}; is a name misspelt?', 'current', logging.WARNING)


def check_labelled(dataset: Any, model: nn.Module) -> None:
    """Compare the classes of images with the heads and the preprocessor of a classifier.

    Raises:
        AnnotationError: If the numbers differ.
    """
    classes = tuple(dataset.metainfo.get('classes') or ())
    sizes = {
        f'{name}.num_classes': head.num_classes for name, head in heads(model, ('head',)).items()
    }
    for name, module in model.named_modules():
        number = getattr(module, 'num_classes', None)
        if name.split('.')[-1] != 'data_preprocessor' or not isinstance(number, int):
            continue
        # only one-hot labels take their length from it; elsewhere it may be that of a base config
        if getattr(module, 'to_onehot', False) or number < len(classes):
            sizes[f'{name}.num_classes'] = number
    for name, number in sizes.items():
        if classes and number != len(classes):
            raise AnnotationError(
                f'{type(dataset).__name__} has {len(classes)} classes, but {name}={number}; set it '
                f'to {len(classes)}, or give the data set its classes'
            )


def compare_classes(train: Any, other: Any, name: str) -> None:
    """Compare the classes of a validation or test set with those of the training set.

    Raises:
        AnnotationError: If both have names, and the names or their order differ.
    """
    ours, theirs = (tuple(d.metainfo.get('classes') or ()) for d in (train, other))
    if ours and theirs and ours != theirs:
        text = [', '.join(c[:6]) + ', ...' * (len(c) > 6) for c in (ours, theirs)]
        raise AnnotationError(
            f'the training set has the classes {text[0]}, the {name} set {text[1]}; '
            'the labels would have other meanings'
        )


@HOOKS.register_module()
class DataCheckHook(Hook):
    """Checks all data sets before training, and every mask during training and evaluation.

    Without it, a detection set with wrong class names would train on empty images, and a mask with
    a label above the classes would end in an index error (or worse, on a GPU).
    """

    def before_train(self, runner: Any) -> None:
        """Check the training set and, if there is one, the validation set.

        Raises:
            AnnotationError: See :func:`check_dataset`, :func:`check_labelled` and
                :func:`compare_classes`.
        """
        self._prepare(runner.model)
        train = list(_leaves(runner.train_dataloader.dataset))
        loader = getattr(runner.val_loop, 'dataloader', None)
        others = list(_leaves(loader.dataset)) if loader is not None else []
        for dataset in others:
            if hasattr(dataset, 'metainfo') and hasattr(train[0], 'metainfo'):
                compare_classes(train[0], dataset, 'validation')
        for dataset in (*train, *others):
            self._check(dataset, runner.model)

    def before_test(self, runner: Any) -> None:
        """Check the test set.

        Raises:
            AnnotationError: See :func:`check_dataset` and :func:`check_labelled`.
        """
        self._prepare(runner.model)
        for dataset in _leaves(runner.test_dataloader.dataset):
            self._check(dataset, runner.model)

    def _prepare(self, model: nn.Module) -> None:
        pixel_heads = heads(model, PIXEL_HEADS).values()
        self.classes = min((head.num_classes for head in pixel_heads), default=0)
        self.ignored = torch.tensor([head.ignore_index for head in pixel_heads])

    def _check(self, dataset: Any, model: nn.Module) -> None:
        if hasattr(dataset, 'metainfo'):
            if heads(model, ('bbox_head', *PIXEL_HEADS)):
                check_dataset(dataset, model)
            else:
                check_labelled(dataset, model)
        if type(getattr(dataset, 'pipeline', None)) is Compose:
            dataset.pipeline = NamingPipeline(dataset.pipeline.transforms)

    def _check_batch(self, batch: Any) -> None:
        if self.classes and isinstance(batch, dict):
            check_labels(batch.get('data_samples', ()), self.classes, self.ignored)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Check the masks of a batch; see :func:`check_labels`."""
        self._check_batch(data_batch)

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Check the masks of a batch; see :func:`check_labels`."""
        if hasattr(self, 'classes'):  # not where a run only validates
            self._check_batch(data_batch)

    def before_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Check the masks of a batch; see :func:`check_labels`."""
        self._check_batch(data_batch)
