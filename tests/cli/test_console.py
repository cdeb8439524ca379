"""What a run prints."""

import logging
import subprocess
import sys
from types import ModuleType

import pytest
from tool import ROOT

from ppnas_mm.cli.console import Console, Lines, _mute


def shown(console: Console, text: str, level: int = logging.INFO) -> str | None:
    """The line that a record becomes, or nothing."""
    record = logging.LogRecord('mmengine', level, __file__, 1, text, None, None)
    if not console.filter(record):
        return None
    assert record.getMessage() == text  # for the log file
    return Lines(datefmt='-').format(record).removeprefix('- ')


STEP = (
    'Epoch(train)  [3][{done:3d}/281]  weights.lr: 9.8e-02 arch.lr: 1.0e-03  eta: 0:12:47  '
    'time: 0.0782  data_time: 0.0118  memory: 512  grad_norm: 0.5  loss: 1.918254  loss_task: 1.9'
)


def test_an_epoch_of_a_search_is_one_line_and_a_validation_another() -> None:
    console = Console(terminal=False)
    assert shown(console, STEP.format(done=50)) is None
    assert shown(console, STEP.format(done=281)) is None  # its architecture follows
    found = 'Architecture after epoch 3: 41% of 66 connections decided; stage1: conv_3x3(0)'
    assert shown(console, found) == (
        'Epoch 3: loss 1.918, 0:12:47 left, 41% of 66 connections decided'
    )
    assert shown(console, 'Epoch(val) [3][50/79]    eta: 0:00:01  time: 0.1') is None
    validation = 'Epoch(val) [3][79/79]    accuracy/top1: 93.1250  data_time: 0.01  time: 0.05'
    assert shown(console, validation) == '  val: accuracy/top1 93.12'


def test_an_epoch_of_a_training_is_one_line() -> None:
    console = Console(terminal=False)
    text = (
        'Epoch(train) [12][40/40]  lr: 1.0e-02  eta: 1 day, 2:00:00  time: 1.0  loss: 0.5 acc: 71.5'
    )
    assert shown(console, text) == 'Epoch 12: loss 0.5, acc 71.5, 1 day, 2:00:00 left'


def test_steps_overwrite_each_other_on_a_terminal(capsys: pytest.CaptureFixture) -> None:
    console = Console(terminal=True)
    assert shown(console, STEP.format(done=50)) is None
    assert capsys.readouterr().out == '\r\x1b[KEpoch 3: loss 1.918, 0:12:47 left [50/281]'
    assert shown(console, STEP.format(done=281)) is None
    assert capsys.readouterr().out == '\r\x1b[K'


@pytest.mark.parametrize(
    'text',
    [
        '\n------------------------------------------------------------\nSystem environment:',
        'Config:\nmodel = dict()',
        'Hooks will be executed in the following order:',
        '\nbackbone.stem.0.conv.weight - torch.Size([8, 3, 3, 3]): \nKaimingInit: a=0',
        'Saving checkpoint at 3 epochs',
        'The prefix is not set in metric class IoUMetric.',
        'Exp name: ppnas_digits_20261128',
    ],
)
def test_what_libraries_say_of_themselves_is_not_printed(text: str) -> None:
    assert shown(Console(terminal=False), text) is None


@pytest.mark.parametrize(
    'text',
    [
        'per class results:',
        '\n+-------+-------+\n| Class |  IoU  |\n+-------+-------+',
        '\n---------------iou_thr: 0.5---------------',
        'Evaluating bbox...',
        '\n Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.513\n',
        'bbox_mAP_copypaste: 0.513 0.895 0.550 -1.000 0.4 0.5',
    ],
)
def test_tables_of_a_metric_are_for_a_test(text: str) -> None:
    assert shown(Console(terminal=False), text) is None
    assert shown(Console(terminal=False, tables=True), text) == text


def test_pycocotools_prints_results_only(capsys: pytest.CaptureFixture) -> None:
    module = ModuleType('pycocotools.coco')
    _mute(module)
    for words in ('loading annotations into memory...', 'DONE (t=0.01s).', 'index created!'):
        module.print(words)
    module.print(' Average Precision', 0.5)
    assert capsys.readouterr().out == ' Average Precision 0.5\n'


def test_what_libraries_do_without_is_not_printed() -> None:
    code = 'import ppnas_mm; import mmpretrain.datasets, mmdet.datasets, mmseg.datasets'
    done = subprocess.run(
        [sys.executable, '-c', code], env={'PYTHONPATH': str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert 'Could not import' not in done.stdout + done.stderr


def test_remarks_and_warnings_are_printed() -> None:
    console = Console(terminal=False)
    assert shown(console, '1000 iterations are 10 epochs') == '1000 iterations are 10 epochs'
    assert shown(console, 'x.pth: 3/3 tensors loaded') == 'x.pth: 3/3 tensors loaded'
    assert shown(console, 'slow', logging.WARNING) == 'warning: slow'


def test_all_is_printed_if_asked_for() -> None:
    code = (
        'from ppnas_mm.cli.console import quieten; quieten(); '
        'from mmengine.logging import MMLogger; '
        'MMLogger("t", logger_name="t").info("Saving checkpoint at 3 epochs")'
    )
    for environment, count in (({}, 0), ({'PPNAS_LOG': 'full'}, 1)):
        done = subprocess.run(
            [sys.executable, '-c', code], env={'PYTHONPATH': str(ROOT), **environment},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).count('Saving checkpoint') == count
