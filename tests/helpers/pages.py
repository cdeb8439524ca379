"""The code blocks of the pages, as commands of a size that a test can run."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = sorted(
    p.relative_to(ROOT).as_posix()
    for p in (ROOT / 'docs').rglob('*.md')
    if p.parent.name != 'benchmarks'  # reports beside the records, not tracked
)
PAGES = ('README.md', 'CONTRIBUTING.md', 'model_zoo/README.md', *DOCS)
BLOCK = re.compile(r'^ *```([^\n]*)\n(.*?)^ *```', re.M | re.S)


@dataclass
class Block:
    """A fenced block: its language, its text, and the file that the text before it names."""

    kind: str
    text: str
    file: str = ''


@dataclass
class Command:
    """One command of a block, with what stands before it as ``NAME=value``."""

    words: list[str]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> str:
        """Stem of the first config that the command names."""
        return next(
            (Path(w).stem for w in self.words if w.endswith('.py') and 'tools/' not in w), ''
        )

    @property
    def tool(self) -> str:
        """Name of the tool of this project that the command runs."""
        return next((w.split('/')[-1] for w in self.words if w.startswith('tools/')), '')


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page but the recipes, which have a test of their own."""
    text, found = (ROOT / page).read_text(), []
    for match in BLOCK.finditer(text):
        kind, code = match.groups()
        if 'recipe=' in kind:
            continue
        code = textwrap.dedent(code)  # a block may stand in a list
        named = re.findall(
            r'here `(mine/\w+\.py)`', text[max(0, match.start() - 400) : match.start()]
        )
        found.append(Block(kind, code, named[-1] if named and kind == 'python' else ''))
    return found


def commands(text: str) -> Iterator[Command]:
    """The commands of a bash block, one after the other; lines and lists of ``&&`` apart."""
    for line in text.replace('\\\n', ' ').splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index('&&') if '&&' in words else len(words)
            part, words = words[:end], words[end + 1 :]
            given = {}
            while part and re.fullmatch(r'[A-Z_]+=.*', part[0]):
                name, value = part.pop(0).split('=', 1)
                given[name] = value
            if part:
                yield Command(part, given)


DIGITS = ['train_dataloader.dataset.indices=64', 'train_dataloader.batch_size=16']
ONE = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
PYRAMID = ['model.model.backbone.stem_channels=8', 'model.model.backbone.base_channels=8']
SMALL_RESNET = ['model.backbone.stem_channels=8', 'model.backbone.base_channels=8']
FEW = ['train_dataloader.dataset.indices=4', 'val_dataloader.dataset.indices=2']
SIZES = {
    'ppnas_digits': [
        *ONE, 'model.threshold=0.01', 'optim_wrapper.arch.optimizer.lr=1.0',
        'train_dataloader.dataset.indices=256',
    ],
    'ppnas_imagefolder': [
        *ONE, *PYRAMID, 'model.model.head.in_channels=256', 'model.threshold=0.01',
        'optim_wrapper.arch.optimizer.lr=1.0', 'train_dataloader.batch_size=8',
    ],
    'pp-resnet50_imagefolder': [
        *ONE, *SMALL_RESNET, 'model.head.in_channels=256', 'train_dataloader.batch_size=8'
    ],
    'cdarts_digits': [
        *DIGITS, 'train_cfg.max_epochs=2', 'model.warmup_epochs=0',
        'optim_wrapper.arch.optimizer.lr=0.05',
    ],
    'eoinas_digits': [*DIGITS, 'train_cfg.max_epochs=8', 'optim_wrapper.arch.optimizer.lr=0.05'],
    'senas_digits': [
        *DIGITS, 'train_cfg.max_epochs=2', 'model.first_epochs=1', 'model.stage_epochs=1',
        'model.models_per_op=1', 'model.recalibrate_batches=1', 'model.eval_batches=1',
        'model.selection.population=4', 'model.selection.generations=1',
        'model.selection.crossover=2', 'model.selection.mutation=2',
    ],
    'detector': [*ONE, *FEW],
    'segmentor': [*ONE, *FEW, 'train_dataloader.batch_size=2'],
}  # fmt: skip
"""What makes the run of a config small; of all other configs of detectors and segmentors FEW."""

NOT_RUN = {
    'make': 'is what runs this test',
    'pip': 'changes the environment',
    '.venv/bin/pip': 'changes the environment',
    '.venv/bin/pre-commit': 'changes the checkout',
    '.venv/bin/python': 'is what runs this test',
    'gpu_check.sh': 'has tests of its own (test_gpu_check.py)',
    'dist_search.sh': 'needs ImageNet; has tests of its own (test_distributed.py)',
    'slurm_search.sh': 'needs a cluster and ImageNet',
    'study.py': 'runs whole searches; has tests of its own (test_study_run.py)',
    'spos_nasbench201-20k': 'needs CIFAR-10 and a table of latencies',
    'ppnas': 'takes a config of your own; has tests of its own (test_search_config.py)',
    'paper.py': 'runs whole searches; has tests of its own (test_paper.py)',
    'cdarts-net_cifar10': 'needs all of CIFAR-10',
    'eoinas_cifar10': 'needs all of CIFAR-10 and four GPUs',
}
"""Commands that a test cannot run, and why."""


def reason_not_to_run(command: Command) -> str:
    """Why a command is not run, or nothing."""
    names = (command.tool, command.words[0], command.config)
    return next((NOT_RUN[name] for name in names if name in NOT_RUN), '')


def runnable(page: str) -> bool:
    """Whether a page has a block that a test can run."""
    for block in blocks(page):
        if block.kind == 'python':
            return True
        if block.kind == 'bash' and not all(map(reason_not_to_run, commands(block.text))):
            return True
    return False


def small(command: Command) -> list[str]:
    """The words of a command, with options that make it small."""
    words = list(command.words)
    options = list(SIZES.get(command.config, []))
    if not options and command.tool in ('train.py', 'search.py') and command.config:
        options = [*ONE, *FEW, 'train_dataloader.batch_size=2']
    if command.tool in ('test.py', 'demo.py'):
        options = [o for o in options if o.startswith('model')]
    if not options:
        return words
    if '--cfg-options' not in words:
        return [*words, '--cfg-options', *options]
    at = words.index('--cfg-options') + 1
    given = {w.split('=')[0] for w in words[at:]}
    return [*words[:at], *(o for o in options if o.split('=')[0] not in given), *words[at:]]
