"""Detectors without mmcv's compiled ops: the same numbers, by torchvision or by plain torch."""

import importlib.util
from typing import Any

import cv2
import pytest
import torch
from fresh import finish, start, without_vision_ops
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_sample_images
from tool import ROOT

from ppnas_mm.utils import mmcv_ops

DATA = ROOT.parent / 'shared/data'
SOURCES = {
    'photographs': None,
    'blood cells': DATA / 'bccd_voc/JPEGImages',
    'COCO': DATA / 'coco128/val2017',
}
NAMES = ('RetinaNet', 'GFLV2', 'Faster R-CNN', 'Mask R-CNN')
HIDDEN = "import sys; sys.modules['mmcv._ext'] = None; import ppnas_mm; "
COMPILED = importlib.util.find_spec('mmcv._ext') is not None


@pytest.fixture(scope='module')
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files of real images, two photographs and one of each source that there is."""
    folder, found = tmp_path_factory.mktemp('images'), []
    for source, place in SOURCES.items():
        photos = load_sample_images().images
        if place is not None:
            photos = [cv2.imread(str(path)) for path in sorted(place.glob('*.jpg'))[:1]]
        for i, photo in enumerate(photos):
            found.append(f'{folder}/{source}-{i}.png')
            cv2.imwrite(found[-1], cv2.resize(photo, (256, 192)))
    return found


@pytest.fixture(scope='module')
def numbers(
    images: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, dict[str, list[torch.Tensor]]]]:
    """What the script finds with compiled ops, with torchvision's and with plain torch."""
    folder = tmp_path_factory.mktemp('numbers')
    plain = without_vision_ops(folder / 'torchvision-without-ops')
    ways: dict[str, tuple] = {'torchvision': ('without',), 'plain': ('without', plain)}
    if COMPILED:
        ways = {'compiled': ('compiled',), **ways}
    script = str(ROOT / 'tests/helpers/detectors_script.py')
    running = [
        start([script, str(folder / way), mode, *images], *path)
        for way, (mode, *path) in ways.items()
    ]
    for process in running:
        finish(process)
    return {way: torch.load(folder / way) for way in ways}


def compare(numbers: dict, name: str, key: str, limit: float = 1e-5) -> None:
    first, *others = numbers
    for way in others:
        for a, b in zip(numbers[first][name][key], numbers[way][name][key], strict=True):
            torch.testing.assert_close(
                a, b, rtol=limit, atol=limit, msg=lambda m, w=way: f'{w}: {m}'
            )


@pytest.mark.parametrize('name', NAMES)
def test_detectors_learn_the_same(numbers: dict, name: str) -> None:
    compare(numbers, name, 'step', limit=1e-3)  # through 50 layers, whose ReLUs may flip
    assert all(value.isfinite().all() for value in numbers['plain'][name]['step'])


@pytest.mark.parametrize('source', SOURCES)
@pytest.mark.parametrize('name', NAMES)
def test_detectors_find_the_same(numbers: dict, name: str, source: str) -> None:
    keys = [key for key in numbers['plain'][name] if key.startswith(source)]
    if not keys:
        pytest.skip(f'{source}: no images under {SOURCES[source]}')
    for key in keys:
        compare(numbers, name, key)
        assert len(numbers['plain'][name][key][0]) > 50


def brute_nms(boxes: list, scores: list, threshold: float, offset: int) -> list[int]:
    """The definition, in loops."""
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        x1, y1, x2, y2 = boxes[i]
        area = (x2 - x1 + offset) * (y2 - y1 + offset)
        for j in kept:
            u1, v1, u2, v2 = boxes[j]
            width = min(x2, u2) - max(x1, u1) + offset
            height = min(y2, v2) - max(y1, v1) + offset
            shared = max(width, 0) * max(height, 0)
            other = (u2 - u1 + offset) * (v2 - v1 + offset)
            if shared > threshold * (area + other - shared):
                break
        else:
            kept.append(i)
    return kept


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 12)] * 2), max_size=20),
    st.sampled_from([0.0, 0.3, 0.55, 1.0]),
    st.sampled_from([0, 1]),
)
def test_suppression_is_its_definition(corners: list, threshold: float, offset: int) -> None:
    boxes = [(x, y, x + w, y + h) for x, y, w, h in corners]
    scores = [((7 * i) % 23) / 23 for i in range(len(boxes))]
    tensor = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)
    marks = torch.tensor(scores, dtype=torch.float64)
    expected = brute_nms(boxes, scores, threshold, offset)
    assert mmcv_ops.nms(tensor, marks, threshold, offset).tolist() == expected
    shifted = tensor + tensor.new_tensor([0, 0, offset, offset])
    assert mmcv_ops.plain_nms(shifted, marks, threshold).tolist() == expected


def brute_align(maps: Any, roi: Any, size: tuple, scale: float, ratio: int, aligned: bool) -> Any:
    """RoIAlign of one box at single points, in loops."""
    image, x1, y1, x2, y2 = roi.tolist()
    shift = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = (v * scale - shift for v in (x1, y1, x2, y2))
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = max(width, 1.0), max(height, 1.0)
    rows = ratio or max(-int(-height // size[0]), 1)
    columns = ratio or max(-int(-width // size[1]), 1)
    own = maps[int(image)]
    pooled = own.new_zeros(own.shape[0], *size)
    for i in range(size[0]):
        for j in range(size[1]):
            for a in range(rows):
                for b in range(columns):
                    y = y1 + height * (i + (a + 0.5) / rows) / size[0]
                    x = x1 + width * (j + (b + 0.5) / columns) / size[1]
                    pooled[:, i, j] += point(own, y, x) / (rows * columns)
    return pooled


def point(own: Any, y: float, x: float) -> Any:
    height, width = own.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return own.new_zeros(own.shape[0])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    dy, dx = y - top, x - left
    return (
        (1 - dy) * (1 - dx) * own[:, top, left]
        + (1 - dy) * dx * own[:, top, left + 1]
        + dy * (1 - dx) * own[:, top + 1, left]
        + dy * dx * own[:, top + 1, left + 1]
    )


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
def test_roi_align_is_its_definition(ratio: int, aligned: bool) -> None:
    maps = torch.randn(2, 3, 13, 17, dtype=torch.float64)
    rois = torch.rand(12, 5, dtype=torch.float64) * 60 - 8  # some lie outside
    rois[:, 3:] = rois[:, 1:3] + torch.rand(12, 2, dtype=torch.float64) * 50
    rois[:, 0] = torch.arange(12) % 2
    expected = torch.stack([brute_align(maps, roi, (3, 4), 0.25, ratio, aligned) for roi in rois])
    plain = mmcv_ops.plain_roi_align(maps, rois, (3, 4), 0.25, ratio, aligned)
    torch.testing.assert_close(plain, expected)
    options = dict(
        aligned_height=3, aligned_width=4, spatial_scale=0.25, sampling_ratio=ratio, pool_mode=1,
        aligned=aligned,
    )  # fmt: skip
    output, empty = torch.zeros_like(expected), maps.new_zeros(0)
    mmcv_ops.roi_align_forward(maps, rois, output, empty, empty, **options)
    torch.testing.assert_close(output, expected)
    direction, grad = torch.randn_like(maps), torch.randn_like(expected)
    slope = torch.zeros_like(maps)
    mmcv_ops.roi_align_backward(grad, rois, empty, empty, slope, **options)
    moved = mmcv_ops.plain_roi_align(direction, rois, (3, 4), 0.25, ratio, aligned)
    torch.testing.assert_close((slope * direction).sum(), (grad * moved).sum())
    assert mmcv_ops.plain_roi_align(maps, rois[:0], (3, 4), 1.0, 0, True).shape == (0, 3, 3, 4)


def test_the_focal_loss_is_mmdets_plain_one() -> None:
    from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss

    logits = (3 * torch.randn(40, 5)).requires_grad_()
    target = torch.arange(40) % 6  # 5 is the background
    hot = torch.nn.functional.one_hot(target, 6)[:, :5].float()
    expected = py_sigmoid_focal_loss(logits, hot, reduction='none')
    expected.sum().backward()
    output, grad, none = torch.zeros(40, 5), torch.zeros(40, 5), torch.zeros(0)
    mmcv_ops.sigmoid_focal_loss_forward(logits.detach(), target, none, output, 2.0, 0.25)
    mmcv_ops.sigmoid_focal_loss_backward(logits.detach(), target, none, grad, 2.0, 0.25)
    torch.testing.assert_close(output, expected.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(grad, logits.grad, rtol=1e-4, atol=1e-6)


IMPORTS = f"""{HIDDEN}
import mmdet.models, mmdet.apis, mmseg.models, mmseg.apis, mmpretrain.models, mmpretrain.apis
import mmcv.ops, torch
from mmcv.utils import collect_env
from mmengine.utils.dl_utils import mmcv_full_available
from mmseg.models.decode_heads import CCHead, PointHead, PSAHead
assert collect_env()['MMCV Compiler'] == 'n/a' and mmcv_full_available()
layer = mmcv.ops.ModulatedDeformConv2dPack(4, 4, 3, padding=1)
for call in (
    lambda: layer(torch.zeros(1, 4, 8, 8)),
    lambda: mmcv.ops.soft_nms(torch.zeros(1, 4), torch.zeros(1)),
    lambda: mmcv.ops.RoIAlign((2, 2), pool_mode='max')(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5)),
):
    try:
        call()
    except ImportError as error:
        print(error)
"""


def test_all_libraries_import_and_other_ops_say_what_they_need() -> None:
    lines = finish(start(['-c', IMPORTS])).splitlines()[-3:]
    command = (
        'MMCV_WITH_OPS=1 pip install --force-reinstall --no-deps --no-cache-dir '
        '--no-build-isolation onedl-mmcv=='
    )
    for line, op in zip(lines, ('modulated_deform_conv_forward', 'softnms', 'max'), strict=True):
        assert op in line and command in line, line
    makefile = (ROOT / 'Makefile').read_text().replace('\\\n', '')
    assert '--no-build-isolation' in makefile


def test_a_library_built_for_another_torch_is_named() -> None:
    code = """
import sys, warnings
class Broken:
    def find_spec(self, name, path, target=None):
        if name == 'mmcv._ext':
            raise ImportError('undefined symbol: _ZN3c10')
sys.meta_path.insert(0, Broken())
import ppnas_mm
warnings.simplefilter('always')
with warnings.catch_warnings(record=True) as caught:
    import mmcv.ops, torch
assert any('undefined symbol: _ZN3c10' in str(w.message) for w in caught)
assert mmcv.ops.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5)[1].tolist() == [0]
"""
    finish(start(['-c', code]))


@pytest.mark.skipif(not COMPILED, reason="mmcv's ops are not compiled here: make ops")
def test_compiled_ops_are_used_where_they_are() -> None:
    code = 'import ppnas_mm, mmcv.ops, mmcv._ext; print(mmcv._ext.__file__)'
    assert '_ext' in finish(start(['-c', code]))
