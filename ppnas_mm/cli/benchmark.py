"""Benchmarks; see --help."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config.shipped import home
from .arguments import add_run_arguments, new_parser

DTYPES = ('fp32', 'bf16', 'fp16')


def command() -> str:
    """Return the command line, with the threads of the environment."""
    threads = os.environ.get('OMP_NUM_THREADS')
    words = [f'OMP_NUM_THREADS={threads}'] if threads else []
    return shlex.join([*words, 'python', 'tools/benchmark.py', *sys.argv[1:]])


def params(args: argparse.Namespace) -> Any:
    """Count parameters and multiply-adds of the networks."""
    from ..benchmarks import counts

    return counts.params(args.networks)


def complexity(args: argparse.Namespace) -> Any:
    """Count parameters and multiply-adds of the full-size detectors and segmentors."""
    from ..benchmarks import counts

    return counts.complexity()


def latency(args: argparse.Namespace) -> Any:
    """Time forwards of the backbones."""
    from ..benchmarks import backbone_latency as measured

    return measured.measure(
        args.networks or measured.DEFAULT,
        args.forms or measured.FORMS[:3],
        args.batches,
        args.size,
        args.dtype,
        args.device,
        args.rounds or (5 if args.mean else 20),
        memory=not args.no_memory,
        mean=args.mean,
    )


def train_step(args: argparse.Namespace) -> Any:
    """Time steps of a training."""
    from ..benchmarks import networks, step
    from ..benchmarks import train_step as measured

    names = args.networks or measured.DEFAULT
    last = not args.contiguous
    if args.profile:
        size = args.size[0] if args.size else networks.named(names)[names[0]].size
        setting = step.Setting(args.batches[0], size, args.device, args.dtype[0], last)
        print(measured.profiles(names, setting))
        return None
    return measured.measure(
        names,
        args.batches,
        args.size,
        args.dtype,
        args.device,
        args.rounds or 10,
        memory=not args.no_memory,
        channels_last=last,
    )


def search_step(args: argparse.Namespace) -> Any:
    """Time search steps and their plain formulations."""
    from ..benchmarks import search_step as measured
    from ..benchmarks.step import Setting

    for name in args.algorithm:
        measured.formulations(name)
    if args.profile:
        print(
            measured.profiles(args.algorithm, Setting(args.batch_size, args.size[0], args.device))
        )
        return None
    given = (args.batch_size, args.size[0], args.device, args.rounds or 5)
    return measured.measure(args.algorithm, *given, memory=not args.no_memory)


def activations(args: argparse.Namespace) -> Any:
    """Measure the memory of a super-net's step, without and with checkpointing."""
    from ..benchmarks import activations as measured

    return measured.measure(args.networks, args.batch_size, args.device)


def epoch(args: argparse.Namespace) -> Any:
    """Time the parts of an epoch of CONFIG."""
    from ..benchmarks import epoch as measured
    from ..engine.run import load_run

    config = load_run(args)
    config.log_level = 'ERROR'
    return measured.measure(config, Path(args.config).stem, args.epochs)


def latency_table(args: argparse.Namespace) -> None:
    """Time every candidate of a search's super-net; compare the sums with derived networks."""
    from ..config.keys import ConfigError
    from ..config.load import load_config
    from ..config.model import build_model
    from ..costs.latency import check_latency, latency_report, latency_table

    config = load_config(args.config)
    if 'model' not in config.model:
        raise ConfigError(
            f'config {args.config}: no model.model: this is not the config of a search'
        )
    model = build_model(config, config.model.model, args.device)
    shape, rounds = (args.channels, args.size[0], args.size[0]), args.rounds or 5
    table = latency_table(model, shape, args.batch_size, rounds)
    checks = check_latency(table, model, args.check, rounds) if args.check else []
    print(latency_report(table, checks))
    if args.out:
        table.save(args.out)
        print(f'written: {args.out}')


def step_cost(args: argparse.Namespace) -> None:
    """Print what the search CONFIG costs each of its processes."""
    from mmengine.logging import MMLogger

    from ..benchmarks.cost_model import cost_report, search_cost
    from ..config.load import load_config

    MMLogger.get_current_instance().setLevel('ERROR')
    size = args.size and args.size[0]
    config = load_config(args.config)
    given = (config, args.processes, args.images, size)
    print(cost_report(search_cost(*given, timed=args.time, device=args.device)))


def gradient_norms(args: argparse.Namespace) -> None:
    """Print how strongly each term of CDARTS' joint loss pulls at alpha, for every CONFIG."""
    from mmengine.logging import MMLogger

    from ..benchmarks.gradient_norms import gradient_norms, norms_report
    from ..config.load import load_config

    MMLogger.get_current_instance().setLevel('ERROR')
    found = {
        Path(config).stem: gradient_norms(load_config(config), args.batch_size, args.seed)
        for config in args.configs
    }
    print(norms_report(found))


def results(args: argparse.Namespace) -> int:
    """Rewrite the blocks of the results pages, or list those that differ."""
    from ..benchmarks import page

    differ = page.render(args.pages)[1] if args.check else page.update(args.pages)
    for name in differ:
        print(f'{args.pages}: block {name!r} {"differs" if args.check else "written"}')
    return int(args.check and bool(differ))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser: a command for each benchmark."""
    parser = new_parser(
        'Benchmarks. Each prints a table; --out STEM also writes STEM.json, .md and .svg. '
        'Runs are interleaved; results are medians.',
        'python tools/benchmark.py latency --threads 2 --rounds 20 --out latency\n'
        '  python tools/benchmark.py train-step --threads 2 --networks ResNet-50-vd PP-ResNet-50\n'
        '  python tools/benchmark.py search-step --algorithm cdarts --batch-size 16\n'
        '  python tools/benchmark.py epoch configs/search/ppnas_digits.py --epochs 3\n'
        '  python tools/benchmark.py latency-table configs/search/cdarts_chain_imagenet.py \\\n'
        '      --size 224 --batch-size 1 --check 5 --out latency.json\n'
        '  python tools/benchmark.py results --check',
    )
    commands = parser.add_subparsers(dest='what', required=True, metavar='WHAT')
    _add_counts(commands)
    _add_timings(commands)
    _add_searches(commands)
    one = _add(commands, 'results', results, 'rewrite the blocks of docs/results/*.md')
    one.add_argument('--check', action='store_true', help='only list those that differ')
    one.add_argument('--pages', type=Path, default=home() / 'docs/results', help='folder')
    return parser


SHARED: dict[str, dict[str, Any]] = {
    'rounds': dict(type=int, help='timed rounds after the warm-up'),
    'device': dict(choices=['cpu', 'cuda'], default='cpu'),
    'threads': dict(type=int, help='CPU threads; default: OMP_NUM_THREADS'),
    'networks': dict(nargs='+', help='names as in the printed table'),
    'profile': dict(action='store_true', help="print torch's profile of a step instead"),
    'no-memory': dict(action='store_true', help='do not measure peak memory'),
    'out': dict(metavar='STEM', help='also write the result to files'),
}
TIMED = ('rounds', 'device', 'threads', 'out')


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], Any], text: str, *options: str
) -> argparse.ArgumentParser:
    """Add a command with some of the shared options."""
    one: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    one.set_defaults(run=run)
    for option in options:
        one.add_argument(f'--{option}', **SHARED[option])
    return one


def _add_counts(commands: Any) -> None:
    """Add what counts."""
    _add(commands, 'params', params, 'parameters and multiply-adds of networks', 'networks', 'out')
    text = 'parameters and multiply-adds of full-size detectors and segmentors'
    _add(commands, 'complexity', complexity, text, 'out')
    text = "memory of a super-net's step, with and without activation checkpointing"
    options = ('networks', 'device', 'threads', 'out')
    one = _add(commands, 'activations', activations, text, *options)
    one.add_argument('--batch-size', type=int, default=4)
    text = 'cost of the search CONFIG for each process'
    one = _add(commands, 'step-cost', step_cost, text, 'device', 'threads')
    one.add_argument('config', help='config of a search')
    one.add_argument('--processes', type=int, default=1)
    one.add_argument('--images', type=int, help='number of training images, for your own data')
    one.add_argument('--size', type=int, nargs=1, help='image size in pixels')
    one.add_argument('--time', action='store_true', help='also time ten steps of each phase')


def _add_timings(commands: Any) -> None:
    """Add what times networks."""
    options = (*TIMED, 'networks', 'no-memory')
    text = 'forward passes of backbones in several forms'
    forwards = _add(commands, 'latency', latency, text, *options)
    forms = ['eager', 'fused', 'deployed', 'compiled']
    forwards.add_argument('--forms', nargs='+', choices=forms, help='default: the first three')
    forwards.add_argument(
        '--mean', action='store_true', help='mean of 5 runs, as in Table VII of PP-NAS'
    )
    text = 'training steps of networks: forward, backward, optimizer'
    steps = _add(commands, 'train-step', train_step, text, *options, 'profile')
    steps.add_argument(
        '--contiguous',
        action='store_true',
        help='contiguous memory layout instead of channels-last',
    )
    for one, batches in ((forwards, [1, 8]), (steps, [8])):
        one.add_argument('--batches', type=int, nargs='+', default=batches)
        one.add_argument('--size', type=int, nargs='+', help='image sizes in pixels')
        one.add_argument('--dtype', nargs='+', choices=DTYPES, default=DTYPES[:1])


def _add_searches(commands: Any) -> None:
    """Add what times searches."""
    text = 'search steps and their plain formulations'
    one = _add(commands, 'search-step', search_step, text, *TIMED, 'no-memory', 'profile')
    one.add_argument('--algorithm', nargs='+', default=['cdarts'])
    one.add_argument('--batch-size', type=int, default=16)
    one.add_argument('--size', type=int, nargs=1, default=[32])
    text = "gradient of alpha from each term of CDARTS' joint loss, at the start of every CONFIG"
    one = _add(commands, 'gradient-norms', gradient_norms, text, 'threads')
    one.add_argument('configs', nargs='+', metavar='CONFIG', help='configs of CDARTS searches')
    one.add_argument('--batch-size', type=int, default=8)
    one.add_argument('--seed', type=int, default=0)
    text = 'time of the parts of an epoch of CONFIG'
    one = _add(commands, 'epoch', epoch, text, 'threads', 'out')
    add_run_arguments(one)
    one.add_argument('--epochs', type=int, default=1, help='timed epochs after one warm-up epoch')
    text = 'latency of every candidate of the super-net of the search CONFIG'
    one = _add(commands, 'latency-table', latency_table, text, *TIMED)
    one.add_argument('config', help='config of a search')
    one.add_argument('--size', type=int, nargs=1, required=True, help='image size in pixels')
    one.add_argument('--batch-size', type=int, default=16)
    one.add_argument('--channels', type=int, default=3, help='channels of the images')
    one.add_argument('--check', type=int, default=5, metavar='N', help='whole networks to compare')


def main() -> int:
    """Parse the arguments and run one benchmark."""
    args = build_parser().parse_args()
    if getattr(args, 'threads', None):
        import torch

        torch.set_num_threads(args.threads)
    found = args.run(args)
    if found is None or isinstance(found, int):
        return found or 0
    found = replace(found, command=command())
    print(found.report())
    if args.out:
        found.save(args.out)
        print(f'written: {args.out}.json, .md, .svg')
    return 0
