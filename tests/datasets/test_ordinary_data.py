"""Data and configs that OpenMMLab's users have every day are not refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from ppnas_mm.datasets.box_check import AnnotationError
from ppnas_mm.datasets.data_check import check_dataset, check_labelled

mmdet = pytest.importorskip('mmdet.datasets')


class Head(nn.Module):
    """A head with a number of classes."""

    def __init__(self, num_classes: int, **others: Any) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.__dict__.update(others)


def panoptic(folder: Path) -> Any:
    """One image with a person (a thing) and a wall (stuff), in COCO's panoptic format."""
    meta = mmdet.CocoPanopticDataset.METAINFO
    names = [(n, 1) for n in meta['thing_classes']] + [(n, 0) for n in meta['stuff_classes']]
    categories = [dict(id=i, name=n, isthing=t) for i, (n, t) in enumerate(names, 1)]
    box = dict(bbox=[2, 3, 20, 20], area=400, iscrowd=0)
    segments = [dict(id=7, category_id=1, **box), dict(id=8, category_id=133, **box)]
    images = [dict(id=i, file_name=f'{i}.jpg', height=40, width=40) for i in (1, 2)]
    annotations = [
        dict(image_id=i, file_name=f'{i}.png', segments_info=[dict(s, id=s['id'] + 10 * i)
             for s in segments]) for i in (1, 2)
    ]  # fmt: skip
    path = folder / 'panoptic.json'
    path.write_text(json.dumps(dict(categories=categories, images=images, annotations=annotations)))
    return mmdet.CocoPanopticDataset(ann_file=str(path), data_prefix=dict(img='', seg=''))


def test_panoptic_data_has_boxes_of_things_only(tmp_path: Path) -> None:
    dataset = panoptic(tmp_path)
    assert len(dataset.metainfo['classes']) == 133
    check_dataset(dataset, nn.ModuleDict({'bbox_head': Head(80)}))
    for wrong in (133, 79):
        with pytest.raises(AnnotationError, match=f'80 classes .*bbox_head.num_classes={wrong}'):
            check_dataset(dataset, nn.ModuleDict({'bbox_head': Head(wrong)}))


def test_an_unused_number_of_the_preprocessor_is_no_error() -> None:
    """It comes with every ImageNet config; only one-hot labels take their length from it."""
    dataset = type('CustomDataset', (), {'metainfo': {'classes': ('cat', 'dog')}})()
    unused = {'head': Head(2), 'data_preprocessor': Head(1000, to_onehot=False)}
    check_labelled(dataset, nn.ModuleDict(unused))
    used = {'head': Head(2), 'data_preprocessor': Head(1000, to_onehot=True)}
    with pytest.raises(AnnotationError, match=r'data_preprocessor\.num_classes=1000; set it to 2'):
        check_labelled(dataset, nn.ModuleDict(used))
