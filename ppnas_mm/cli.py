"""What the command-line tools share: arguments, one-line errors, exit codes."""

from __future__ import annotations

import argparse
import atexit
import difflib
import inspect
import multiprocessing
import os
import re
import sys
import traceback
from collections.abc import Callable
from json import JSONDecodeError
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NoReturn
from xml.etree.ElementTree import ParseError

from .doors import RefusedFileError, close, named

UNREADABLE = (UnpicklingError, ParseError, JSONDecodeError, UnicodeDecodeError, EOFError)
"""Errors that tell of a file without its name."""
READERS = (('torch.serialization', 'load'), ('mmengine.fileio.io', 'load'))
"""Functions whose errors do so; their argument is the file."""

HINTS = {
    'Expected more than 1 value per channel': '; a batch holds one image: set '
    'train_dataloader.drop_last=True or another batch_size',
}
"""What to do, by words of an error that names no key."""

INTERRUPTED = 'interrupted; --resume goes on from the last finished epoch'


def new_parser(description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser whose ``--help`` ends with an example."""
    return argparse.ArgumentParser(
        description=description,
        epilog=f'example:\n  {example}\n\nPPNAS_DEBUG=1 shows the traceback of an error.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_run_arguments(
    parser: argparse.ArgumentParser, source: str = 'config file', option: str | None = None
) -> None:
    """Add what every tool that starts a run takes.

    Args:
        parser: Gets the arguments.
        source: What the run comes from.
        option: Name of the option for it; ``None`` makes it an argument by position.
    """
    from mmengine.config import DictAction

    class Options(DictAction):
        """Also keeps the words as given, for a tool that runs another one."""

        def __call__(
            self, parser: Any, namespace: Any, values: Any, option_string: Any = None
        ) -> None:
            wrong = [word for word in values if '=' not in word]
            if wrong:
                parser.error(f'--cfg-options {wrong[0]}: expected KEY=VALUE')
            namespace.option_words = [*getattr(namespace, 'option_words', []), *values]
            super().__call__(parser, namespace, values, option_string)

    kind: dict[str, Any] = {'metavar': source.upper().replace(' ', '_'), 'help': source}
    if option is None:
        parser.add_argument('config', **kind)
    else:
        parser.add_argument(option, dest='config', required=True, **kind)
    parser.add_argument('--work-dir', help='folder of the results; default work_dirs/<config name>')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Options,
        default={},
        metavar='KEY=VALUE',
        help='override config entries, e.g. train_cfg.max_epochs=2',
    )
    launchers = ('none', 'pytorch', 'slurm', 'mpi')
    parser.add_argument('--launcher', choices=launchers, default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what search and training take on top."""
    parser.add_argument('--resume', action='store_true', help='go on from the last finished epoch')
    parser.add_argument(
        '--seed', type=int, help='random seed; default: the one of the config, or 0'
    )
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on a CPU'
    )


def _launch_on_cpu(config: Any) -> None:
    """Start the group of processes; mmengine's launcher and default wrapper ask for a GPU."""
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    wrapper = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=config.get('find_unused_parameters', False),
    )
    if config.get('model_wrapper_cfg') is None:
        config.model_wrapper_cfg = wrapper


def load_run(args: argparse.Namespace) -> Any:
    """Load the config of a run and apply the arguments; no run starts here."""
    import torch

    from .config import ConfigError, load_config, replace_sync_bn, require_library
    from .config_values import check_values
    from .launchers import check_launcher
    from .weights import refuse_code

    refuse_code()
    config = load_config(args.config, args.cfg_options)
    require_library(config, args.config)
    try:
        check_values(config)
    except ConfigError as error:
        raise ConfigError(f'config {args.config}: {error}') from None
    check_launcher(args.launcher, os.environ)
    if not torch.cuda.is_available():
        replace_sync_bn(config.model)
    _safe_checkpoints(config)
    config.launcher = args.launcher
    if args.launcher == 'pytorch' and not torch.cuda.is_available():
        _launch_on_cpu(config)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    default = Path('work_dirs') / Path(args.config).stem
    config.work_dir = args.work_dir or config.get('work_dir') or str(default)
    randomness = dict(config.get('randomness') or {})
    seed = getattr(args, 'seed', None)
    randomness['seed'] = randomness.get('seed') or 0 if seed is None else seed
    config.randomness = randomness
    if getattr(args, 'amp', False):
        _mix_precision(config.optim_wrapper, torch.cuda.is_available())
    return config


def _safe_checkpoints(config: Any) -> None:
    """Let this package's hook save the checkpoints: whole after a kill, and readable as data.

    mmengine's own saves its log with methods inside, which nobody can read as data.
    """
    from .config_keys import type_name

    hooks = config.setdefault('default_hooks', {})
    hook = hooks.setdefault('checkpoint', {'type': 'CheckpointHook', 'interval': 1})
    if hook and type_name(hook) == 'CheckpointHook' and 'backend_args' not in hook:
        hook['type'] = 'ppnas_mm.SafeCheckpointHook'
        hook.setdefault('max_keep_ckpts', -1)


def _mix_precision(wrapper: Any, gpu: bool) -> None:
    """Let the optimizer of the weights run all forward passes in mixed precision."""
    part = wrapper.get('weights', wrapper)
    if gpu:
        part['type'] = 'AmpOptimWrapper'
        part.setdefault('loss_scale', 'dynamic')
        return
    part['type'] = 'ppnas_mm.BFloat16OptimWrapper'
    for key in ('loss_scale', 'dtype'):  # of the wrapper for a GPU
        part.pop(key, None)


def require_search(config: Any, path: str) -> None:
    """Make sure that a config is that of a search, before anything is trained.

    Raises:
        ConfigError: If its model is no search algorithm, or the hook is missing that derives.
    """
    from .algorithms.base import SearchAlgorithm
    from .config_keys import ConfigError, type_name
    from .registry import MODELS

    kind = config.model.type
    with MODELS.switch_scope_and_registry(config.get('default_scope')) as registry:
        kind = kind if inspect.isclass(kind) else registry.get(kind)
    if not (inspect.isclass(kind) and issubclass(kind, SearchAlgorithm)):
        raise ConfigError(
            f'config {path} trains a network (model.type={type_name(config.model)!r}); it is no '
            "search. A search wraps the model: model=dict(type='ppnas_mm.PPNAS', model=...), see "
            'configs/search. To train the network, take tools/train.py'
        )
    hooks = [*(config.get('default_hooks') or {}).values(), *(config.get('custom_hooks') or ())]
    if not any(type_name(hook or {}).endswith('SearchHook') for hook in hooks):
        raise ConfigError(
            f"config {path}: default_hooks lack search=dict(type='ppnas_mm.SearchHook')"
        )


def require_arch(config: Any, option: str) -> None:
    """Make sure that a config has a searched backbone, whose architecture can be replaced.

    Raises:
        ConfigError: If it has none.
    """
    from .config import ConfigError

    if 'arch' not in (config.model.get('backbone') or {}):
        raise ConfigError(f'{option}: the config has no model.backbone.arch to replace')


def set_genotype(config: Any, path: str) -> None:
    """Put a genotype in place of the config's ``model.backbone.arch``.

    Raises:
        ConfigError: If the config has no searched backbone.
        GenotypeError: If the genotype is not valid.
    """
    from .genotype import Genotype

    genotype = Genotype.load(path)
    status = str(genotype.provenance.get('status', ''))
    if status.startswith('provisional'):
        print(f'warning: {path} is {status[:200]}')
    require_arch(config, '--genotype')
    config.model.backbone.arch = genotype.to_dict()


def _suggestion(error: BaseException) -> str:
    """Return the argument that a misspelt config key stands for, by the class it was given to."""
    match = re.match(r"(\w+)\.__init__\(\) .* unexpected keyword argument '(\w+)'", str(error))
    if not match:
        return ''
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    named = [f.f_globals.get(match.group(1)) for f in frames]
    built = [f.f_locals.get('obj_cls') for f in frames]  # what mmengine's registry was building
    classes: list[Any] = [c for c in [*named, *built] if inspect.isclass(c)]
    if not classes:
        return ''
    known = {name for c in classes[-1].__mro__ for name in inspect.signature(c.__init__).parameters}
    close = difflib.get_close_matches(match.group(2), sorted(known), n=1)
    return f'; did you mean {close[0]!r}?' if close else ''


def _command(error: BaseException) -> str:
    """Name the pip command for a library that something has tried to import."""
    cause: BaseException | None = error
    while cause is not None and 'pip install' not in str(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            from .compat import missing

            return f'; {missing(cause.name)}'
        cause = cause.__cause__ or cause.__context__
    return ''


def _annotation(error: BaseException) -> str:
    """Say which file was being read when the error happened, if one was."""
    if isinstance(error, RefusedFileError):  # says it itself
        return ''
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    reads = [f for f in frames if (f.f_globals.get('__name__'), f.f_code.co_name) in READERS]
    if frames and (reads or isinstance(error, UNREADABLE)):
        name = named((reads or frames)[-1])
        return f'{name}: ' if name and name not in str(error) else ''
    for frame in frames:
        dataset: Any = frame.f_locals.get('self')
        if frame.f_code.co_name == 'full_init' and hasattr(dataset, 'load_data_list'):
            proposals = any(f.f_code.co_name == 'load_proposals' for f in frames)
            where = dataset.proposal_file if proposals else dataset.ann_file or dataset.data_prefix
            return f'{where}: damaged, empty or of another kind: '
    return ''


def _lines(error: BaseException) -> list[str]:
    """Return what an error says, in lines without blanks."""
    if isinstance(error, UnpicklingError):  # torch's own text advises to read the file unsafely
        from .weights import refusal

        return [refusal(error)]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1:] if 'Original Traceback' in str(error) else lines  # of a loader's worker


def run_tool(main: Callable[[], int | None]) -> NoReturn:
    """Run a tool: an expected error is one line on stderr and exit code 2, an interrupt 130."""
    try:
        close()
        code = main() or 0
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        code = 130
    except BrokenPipeError:
        code = 141
    except Exception as error:
        if _interrupted(error):
            print(INTERRUPTED, file=sys.stderr)
            _end(130)
        if os.environ.get('PPNAS_DEBUG'):
            traceback.print_exc()
        lines = _lines(error)
        if not lines:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            lines = [f'{frame.filename}:{frame.lineno}: {frame.line}']
        text = _annotation(error) + ' '.join(lines)[:4000] + _suggestion(error) + _command(error)
        text += next((hint for words, hint in HINTS.items() if words in text), '')
        print(f'error: {type(error).__name__}: {text}', file=sys.stderr)
        code = 2
    _end(code)


def _interrupted(error: BaseException | None) -> bool:
    """Whether an error came of an interrupt that a library took for one of its own errors."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _end(code: int) -> NoReturn:
    """Give back the work dirs and end the process."""
    work_dir = sys.modules.get(f'{__package__}.work_dir')
    if work_dir is not None:
        work_dir.release()
    _leave_group(code)
    sys.exit(code)


def _leave_group(code: int) -> None:
    """Leave a group of processes, if this one is in any, and end the process.

    Without the interpreter's own end: gloo's threads abort a process that they outlive.
    """
    distributed = sys.modules.get('torch.distributed')
    if distributed is not None and distributed.is_initialized():
        distributed.destroy_process_group()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# set while a spawned worker imports its tool's file, whose main does not run
if getattr(multiprocessing.current_process(), '_inheriting', False):
    close()
