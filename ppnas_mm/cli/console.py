"""What a run prints: a line or two for each epoch; all the rest is in the log file."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from typing import Any

from mmengine.logging import MMLogger

from ..utils.compat import when_imported

FULL = 'PPNAS_LOG'
"""Environment: ``full`` prints all that mmengine logs."""
LIBRARIES = r'(mmengine|mmcv|mmdet|mmseg|mmpretrain|torch|timm)(\.|$)'
HIDDEN = (
    re.compile(r'^\n-{20}'),  # the environment
    re.compile(r'^Config:\n'),
    re.compile(r'^Hooks will be executed'),
    re.compile(r'- torch\.Size\('),  # how each parameter was initialised
    re.compile(r'^(Name of parameter|Exp name|Saving checkpoint|Checkpoints will be saved)'),
    re.compile(r'^The prefix is not set in metric class'),
    re.compile(r'^(Distributed training is not used|"FileClient"|"HardDiskBackend")'),
)
SCORES = re.compile(
    r'^(\n[+|-]|\n Average |per class results|results:|Evaluating |\w+_mAP_copypaste|'
    r'Converting ground truth)'
)
"""What a metric logs before its scores: tables of classes and areas, at every evaluation."""
COCO_NOTES = re.compile(
    r'(?i)(loading (and|annotations)|done|creating index|index created|running per image|'
    r'evaluate annotation|accumulating)'
)
STEP = re.compile(r'^Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\](.*)', re.S)
TEST = re.compile(r'^Epoch\((val|test)\)\s+(?:\[\d+\])?\[\s*(\d+)/(\d+)\](.*)', re.S)
FOUND = re.compile(r'^Architecture after epoch (\d+): (.*)', re.S)
VALUE = re.compile(r'([\w./]+): ([-\d.:e+]+(?: days?, [\d:]+)?)')
ASIDE = ('time', 'data_time', 'memory', 'eta', 'grad_norm')


class Console(logging.Filter):
    """Turns mmengine's records into lines for people; drops those about itself.

    Args:
        terminal: Whether the output is a terminal, where a line may be overwritten.
        tables: Whether to show the tables of a metric, not only its scores.
    """

    def __init__(self, terminal: bool, tables: bool = False) -> None:
        super().__init__()
        self.terminal = terminal
        self.hidden = HIDDEN if tables else (*HIDDEN, SCORES)
        self.epoch = ''

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is shown, and give it the text to show."""
        text = record.getMessage()
        if any(pattern.search(text) for pattern in self.hidden):
            return False
        if step := STEP.match(text):
            return self._step(record, *step.groups())
        if test := TEST.match(text):
            kind, done, all_, rest = test.groups()
            scores = _values(rest)
            if done != all_ or not scores:
                return False
            return _say(record, f'  {kind}: {scores}')
        if found := FOUND.match(text):
            decided = found.group(2).partition(';')[0]
            said, self.epoch = self.epoch or f'Epoch {found.group(1)}', ''
            return _say(record, f'{said}, {decided}')
        return True

    def _step(self, record: logging.LogRecord, epoch: str, done: str, all_: str, rest: str) -> bool:
        left = re.search(r'eta: ([\d:]+(?: days?, [\d:]+)?)', rest)
        said = f'Epoch {epoch}: {_values(rest)}' + (f', {left.group(1)} left' if left else '')
        if done != all_:
            if self.terminal:  # a line that the next one overwrites
                sys.stdout.write(f'\r\x1b[K{said} [{done}/{all_}]')
                sys.stdout.flush()
            return False
        if self.terminal:
            sys.stdout.write('\r\x1b[K')
        if 'arch.lr' in rest or 'weights.lr' in rest:  # a search: its architecture follows
            self.epoch = said
            return False
        return _say(record, said)


def _say(record: logging.LogRecord, text: str) -> bool:
    record.__dict__['shown'] = text  # the log file keeps the whole message
    return True


def _values(text: str) -> str:
    """Return the losses and scores of a record, without rates and times."""
    found = [(k, v) for k, v in VALUE.findall(text) if k not in ASIDE and not k.endswith('lr')]
    names = {key for key, _ in found}
    if 'loss' in names:  # its parts are in the log file
        found = [(k, v) for k, v in found if k == 'loss' or 'loss' not in k]
    shown = []
    for key, value in found:
        number = re.fullmatch(r'-?\d+\.\d+(e[-+]\d+)?', value)
        shown.append(f'{key} {float(value):.4g}' if number else f'{key} {value}')
    return ', '.join(shown)


class Lines(logging.Formatter):
    """A time and a text; warnings and errors say so."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        text = record.__dict__.get('shown', record.getMessage())
        level = f'{record.levelname.lower()}: ' if record.levelno >= logging.WARNING else ''
        return f'{self.formatTime(record, self.datefmt)} {level}{text}'


def _mute(module: Any) -> None:
    """Let pycocotools not print what it does; it prints results, too."""

    def spoken(*words: Any) -> None:
        if not (words and isinstance(words[0], str) and COCO_NOTES.match(words[0])):
            print(*words)

    module.print = spoken


def quieten(tables: bool = False) -> None:
    """Let the loggers of this process print for people, and silence warnings of libraries.

    ``PPNAS_LOG=full`` changes nothing.

    Args:
        tables: Whether to show the tables of metrics.
    """
    if os.environ.get(FULL) == 'full':
        return
    warnings.filterwarnings('ignore', module=LIBRARIES)
    if hasattr(MMLogger.__init__, 'quiet'):
        return
    for name in ('pycocotools.coco', 'pycocotools.cocoeval'):
        when_imported(name, _mute)
    original = MMLogger.__init__

    def quiet(self: MMLogger, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)  # type: ignore[arg-type]
        for handler in self.handlers:
            if type(handler) is logging.StreamHandler:
                handler.addFilter(Console(sys.stdout.isatty(), tables))
                handler.setFormatter(Lines(datefmt='%H:%M:%S'))

    quiet.__dict__['quiet'] = True
    MMLogger.__init__ = quiet  # type: ignore[method-assign]
