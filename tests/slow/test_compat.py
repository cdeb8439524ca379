"""The guards around other packages act by ``import ppnas_mm`` alone, in any order that can work."""

import importlib.util
from pathlib import Path

import pytest
from fresh import fake_package, run, without_vision_ops

LIBRARIES = 'import mmdet.models, mmseg.models, mmpretrain.models'
BROKEN = """
try:
    import torchvision
except RuntimeError as error:
    assert 'torchvision::nms does not exist' in str(error), error
else:
    raise SystemExit('this torchvision has its ops')
"""
ORDERS = {
    'ppnas_mm first': f'import ppnas_mm\n{LIBRARIES}\nimport torchvision',
    'after a failed import': f'{BROKEN}\nimport ppnas_mm, torchvision',
    'called by hand': (
        'from ppnas_mm.utils.compat import guard_torchvision\n'
        'guard_torchvision(); guard_torchvision()\nimport torchvision'
    ),
    'a backbone first': 'import ppnas_mm.backbones\nimport torchvision',
    'the zoo': (
        'import ppnas_mm, torch, torchvision\n'
        "model = ppnas_mm.zoo.load('pp_resnet20.digits')\n"
        'assert model.extract_feat(torch.zeros(1, 3, 16, 16))[-1].shape == (1, 256)'
    ),
}


@pytest.fixture(scope='module')
def no_vision_ops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torchvision as beside a CPU build of torch."""
    return without_vision_ops(tmp_path_factory.mktemp('vision'))


@pytest.mark.parametrize('order', ORDERS)
def test_importing_the_package_is_enough_beside_a_cpu_torch(
    order: str, no_vision_ops: Path
) -> None:
    code = f'{ORDERS[order]}\nassert not torchvision.extension._has_ops()'
    run(f'{code}\nfrom torchvision.transforms import functional', no_vision_ops)


def test_a_torchvision_with_ops_is_left_alone() -> None:
    code = """
import sys, torch, ppnas_mm
assert 'torchvision' not in sys.modules
import torchvision
from ppnas_mm.utils import compat
if not torchvision.extension._has_ops():
    print('no ops here')
else:
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2.1]])
    assert not compat._schemas and torchvision.ops.nms(boxes, torch.ones(2), 0.5).tolist() == [0]
"""
    if 'no ops here' in run(code):
        pytest.skip('torchvision has no compiled ops here')


def test_nothing_heavy_is_imported_early() -> None:
    code = """
import sys, ppnas_mm
heavy = {'torchvision', 'transformers', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain'}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    run(code)


def test_mmpretrain_imports_beside_a_transformers_that_is_too_new(tmp_path: Path) -> None:
    """The fake has none of the names that mmpretrain's multimodal models import."""
    pytest.importorskip('pycocotools')
    folder = fake_package(tmp_path, 'transformers', '5.0.0')
    code = """
import mmpretrain, mmpretrain.models, mmpretrain.datasets
from mmpretrain.utils.dependency import WITH_MULTIMODAL
print(WITH_MULTIMODAL, type(mmpretrain.get_model('resnet18_8xb32_in1k')).__name__)
"""
    assert run(f'import ppnas_mm{code}', folder).split()[-2:] == ['False', 'ImageClassifier']
    with pytest.raises(AssertionError, match=r'ImportError|torchvision::nms'):
        run(code, folder)


def test_multimodal_models_stay_where_transformers_fits(tmp_path: Path) -> None:
    folder = fake_package(tmp_path, 'transformers', '4.57.6')
    code = 'import ppnas_mm; from mmpretrain.utils.dependency import WITH_MULTIMODAL as found\n'
    expected = importlib.util.find_spec('pycocotools') is not None
    assert run(f'{code}print(found)', folder).split()[-1] == str(expected)


HOOKS = """
import sys
from ppnas_mm.utils.compat import before_import, when_imported
seen = []
before_import('lonely', lambda: seen.append(('before', 'lonely' in sys.modules)))
when_imported('lonely', lambda module: seen.append(('after', module.VALUE)))
import importlib.util
importlib.util.find_spec('lonely')      # a look is no import
import lonely
when_imported('lonely', lambda module: seen.append('at once'))
before_import('lonely', lambda: seen.append('too late'))
importlib.reload(lonely)
sys.modules['blocked'] = None
when_imported('blocked', lambda module: seen.append('never'))
before_import('no_such_module', lambda: seen.append('asked'))
try:
    import no_such_module
except ModuleNotFoundError:
    pass
assert seen == [('before', False), ('after', 7), 'at once', 'asked'], seen
"""


def test_actions_wait_for_imports(tmp_path: Path) -> None:
    (tmp_path / 'lonely.py').write_text('VALUE = 7')
    run(HOOKS, tmp_path)
