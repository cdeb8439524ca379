"""The command ``ppnas``; it imports the package only to run a command, so that help is quick.

It is installed as the top-level package ``ppnas``, because ``ppnas_mm`` imports mmengine and torch.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import multiprocessing
import sys
from collections.abc import Sequence

COMMANDS = {
    'search': 'search an architecture, with a config of a search or for a finished config',
    'derive': 'derive the network of a search from its checkpoint',
    'train': 'train a classifier, detector or segmentor',
    'test': 'test a checkpoint',
    'demo': 'predict on images and draw the results',
    'export': 'export a network to ONNX or TorchScript',
    'visualize': 'draw an architecture or the course of a search',
    'download': 'list and fetch pretrained weights',
    'convert': 'convert weights from and to other code bases',
    'publish': 'prepare weights for the model zoo or a hub',
    'compare': 'compare networks or searches over several seeds',
    'study': 'judge searches by a benchmark that knows the answer',
    'paper': 'repeat a table of a paper',
    'benchmark': 'measure parameters, latency, training and search steps',
    'configs': 'list the configs that come with the package',
}
COMPLETION = """\
_ppnas() {{
  local word=${{COMP_WORDS[COMP_CWORD]}}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands} completion" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word") $(compgen -W "$(ppnas completion --configs)" -- "$word"))
  fi
}}
complete -o filenames -F _ppnas ppnas
"""


def usage() -> str:
    """Return the text of ``ppnas --help``."""
    width = max(map(len, COMMANDS))
    rows = [f'  {name:{width}}  {says}' for name, says in COMMANDS.items()]
    return '\n'.join(
        [
            'usage: ppnas COMMAND ...',
            '',
            'Searched backbones and their searches as OpenMMLab components.',
            '',
            *rows,
            '',
            '`ppnas COMMAND --help` explains a command, with an example.',
            'Configs: a path, a name of `ppnas configs`, or LIBRARY::NAME, such as',
            'mmdet::retinanet_r50_fpn_1x_coco.',
            'Completion in bash and zsh: eval "$(ppnas completion)"',
        ]
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; ``words`` are its name and its arguments, by default the command line's.

    Returns:
        The exit code of what does not run a command; a command ends the process itself.
    """
    given = list(sys.argv[1:] if words is None else words)
    if not given or given[0] in ('-h', '--help', 'help'):
        with contextlib.suppress(BrokenPipeError):  # `ppnas | head`
            print(usage(), flush=True)
        return 0
    name, *rest = given
    if name in ('-V', '--version'):
        from importlib.metadata import version

        print(f'ppnas_mm {version("ppnas_mm")}')
        return 0
    if name == 'completion':
        return _completion(rest)
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f'; did you mean {close[0]!r}?' if close else f'; expected one of {list(COMMANDS)}'
        print(f'error: ppnas: no command {name!r}{meant}', file=sys.stderr)
        return 2
    sys.argv = [f'ppnas {name}', *rest]
    run_tool = importlib.import_module('ppnas_mm.cli').run_tool
    run_tool(importlib.import_module(f'ppnas_mm.cli.{name}').main)
    raise AssertionError('run_tool ends the process')


def _completion(words: Sequence[str]) -> int:
    """Print the script for a shell, or the names of the configs that it offers."""
    if list(words) == ['--configs']:
        from importlib.util import find_spec
        from pathlib import Path

        spec = find_spec('ppnas_mm')
        if spec is not None and spec.origin is not None:
            package = Path(spec.origin).parent
            for folder in (package / '.mim/configs', package.parent / 'configs'):
                if folder.is_dir():
                    print('\n'.join(sorted(p.stem for p in folder.glob('[!_]*/*.py'))))
                    break
        return 0
    print('autoload -Uz bashcompinit 2>/dev/null && bashcompinit')
    print(COMPLETION.format(commands=' '.join(COMMANDS)), end='')
    return 0


# a spawned worker imports the script of its command, which then only closes the doors
if getattr(multiprocessing.current_process(), '_inheriting', False):
    importlib.import_module('ppnas_mm.cli.errors')
