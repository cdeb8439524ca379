"""Benchmarks; see --help."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ppnas_mm import cli

CDARTS = dict(arch='cdarts_imagenet', variant='imagenet', num_cells=14)
CHAIN = 1280  # channels of the layer between a chain and its classifier
# name: (class, arguments, classes, millions of parameters that the paper prints)
NETWORKS = {
    'ResNet-50-vd': ('PPResNet', dict(depth=50, block='resnet'), 1000, 25.6),
    'Res2Net-50 (26w x 4s)': ('PPResNet', dict(depth=50, block='res2net'), 1000, 25.7),
    'PP-ResNet-50 (26w x 4s)': ('PPResNet', dict(depth=50), 1000, 25.7),
    'PP-ResNet-101 (26w x 4s)': ('PPResNet', dict(depth=101), 1000, None),
    'PP-ResNet-152 (26w x 4s)': ('PPResNet', dict(depth=152), 1000, None),
    'ResNet-110': ('PPResNetCIFAR', dict(depth=110, block='resnet'), 10, 18.1),
    'ResNeXt-110 (4c x 24w)': ('PPResNetCIFAR', dict(depth=110, block='resnext'), 10, 18.1),
    'Res2Net-110 (26w x 4s)': ('PPResNetCIFAR', dict(depth=110, block='res2net'), 10, 18.5),
    'PP-ResNet-110 (26w x 4s)': ('PPResNetCIFAR', dict(depth=110), 10, 18.5),
    'CDARTS CIFAR-10 cell, 36 channels': ('DARTSNet', dict(arch='cdarts_cifar10'), 10, 3.9),
    'CDARTS ImageNet cell, 48 channels': ('DARTSNet', {**CDARTS, 'init_channels': 48}, 1000, 6.36),
    'CDARTS ImageNet cell, 44 channels': ('DARTSNet', {**CDARTS, 'init_channels': 44}, 1000, 5.4),
    'CDARTS-a': ('ChainNet', dict(arch='cdarts_a'), 1000, 7.0),
    'CDARTS-b': ('ChainNet', dict(arch='cdarts_b'), 1000, 6.4),
}

DOWNSTREAM = {
    'detection/retinanet_{}_voc0712': (3, 640, 640),
    'detection/gflv2_{}_coco': (3, 896, 896),
    'segmentation/deeplabv3plus_{}-d8_voc12aug': (3, 512, 512),
    'segmentation/deeplabv3plus_{}-d16_voc12aug': (3, 512, 512),
    'segmentation/deeplabv3plus_{}-d8_cityscapes': (3, 512, 1024),
}


def params() -> None:
    """Print parameters and multiply-adds of every network, beside what the paper prints."""
    from mmengine.analysis import get_model_complexity_info
    from mmengine.logging import MMLogger
    from torch import nn

    from ppnas_mm import backbones
    from ppnas_mm.report import table

    MMLogger.get_current_instance().setLevel('ERROR')
    rows = []
    for name, (cls, arguments, classes, paper) in NETWORKS.items():
        backbone = getattr(backbones, cls)(**arguments).eval()
        side = 224 if classes == 1000 else 32
        widths = [backbone.out_channels[-1], *[CHAIN] * (cls == 'ChainNet'), classes]
        head = nn.Sequential(*map(nn.Linear, widths, widths[1:]))
        count = sum(p.numel() for m in (backbone, head) for p in m.parameters())
        info = get_model_complexity_info(
            backbone, input_shape=(3, side, side), show_table=False, show_arch=False
        )
        macs = f'{info["flops"] / 1e9:.2f} G at {side}'
        rows.append([name, f'{count:,}', f'{count / 1e6:.3f}', paper or '-', macs])
    print(table(['network', 'parameters', 'M', 'paper, M', 'backbone multiply-adds'], rows))


def complexity() -> None:
    """Print parameters and multiply-adds of the full-size detectors and segmentors."""
    from mmengine.analysis import get_model_complexity_info
    from mmengine.logging import MMLogger
    from mmengine.registry import MODELS, DefaultScope

    from ppnas_mm.compat import guard_torchvision
    from ppnas_mm.config import load_config, replace_sync_bn
    from ppnas_mm.report import table

    guard_torchvision()
    MMLogger.get_current_instance().setLevel('ERROR')
    rows = []
    for pattern, shape in DOWNSTREAM.items():
        for net in ('resnet50-vd', 'res2net50-vd', 'pp-resnet50'):
            config = load_config(f'configs/{pattern.format(net)}.py')
            replace_sync_bn(config.model)
            with DefaultScope.overwrite_default_scope(config.default_scope):
                model = MODELS.build(config.model).eval()
            info = get_model_complexity_info(
                model, input_shape=shape, show_table=False, show_arch=False
            )
            count = sum(p.numel() for p in model.parameters())
            side = f'{shape[1]} x {shape[2]}'
            rows.append(
                [pattern.format(net), side, f'{count / 1e6:.3f}', f'{info["flops"] / 1e9:.1f}']
            )
    print(table(['config', 'input', 'parameters, M', 'multiply-adds, G'], rows))


# name: (edge by edge, channels-last, gradients also for what the step does not update)
FORMULATIONS = {
    'plain': (True, False, True),
    'plain, channels-last': (True, True, True),
    'ours, all gradients': (False, True, True),
    'ours': (False, True, False),
}


def search_model(algorithm: str) -> dict[str, Any]:
    """Config of a search in the CIFAR setting: 16 channels, 8 cells, evaluation with 20 cells."""
    model = dict(
        type='ImageClassifier',
        backbone=dict(type='ppnas_mm.DARTSSuperNet', num_cells=8, init_channels=16),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead',
            num_classes=10,
            in_channels=256,
            loss=dict(type='CrossEntropyLoss'),
        ),
        data_preprocessor=dict(type='ClsDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3),
    )
    if algorithm == 'cdarts':
        more = dict(evaluation=dict(num_cells=20), classes=10, pools=(6, 6))
        return dict(type='ppnas_mm.CDARTS', model=model, **more)
    if algorithm == 'eoinas':
        model['backbone'].update(combine='sum', pool_norm=True)
        return dict(type='ppnas_mm.EoiNAS', model=model)
    return dict(type='ppnas_mm.DARTS', model=model, order=2 if algorithm == 'darts-2nd' else 1)


def build_step(algorithm: str, batch_size: int, device: str) -> Any:
    """Return a function of a formulation's name that does one joint step of a search."""
    import torch
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import MODELS, DefaultScope
    from mmpretrain.structures import DataSample

    from ppnas_mm.compat import guard_torchvision

    guard_torchvision()
    sys.path.insert(0, str(Path(__file__).parents[1] / 'tests'))
    from plain_dag import edge_by_edge, every_operation

    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(search_model(algorithm)).to(device).train()
    sgd = dict(optimizer=dict(type='SGD', lr=1e-3, momentum=0.9), clip_grad=dict(max_norm=5))
    parts = dict.fromkeys(model.optim_parts(), sgd)
    config = dict(constructor='ppnas_mm.SearchOptimConstructor', **parts)
    optimizers = build_optim_wrapper(model, config)
    # past the warm-up, into an epoch in which all parts learn
    model.before_epoch(1 + model.warmup_epochs + getattr(model, 'separate_epochs', 0))

    def batch() -> dict[str, Any]:
        inputs = [torch.randint(0, 256, (3, 32, 32)).byte() for _ in range(batch_size)]
        samples = [DataSample().set_gt_label(i % 10) for i in range(batch_size)]
        return dict(inputs=inputs, data_samples=samples)

    data = dict(train=batch(), val=batch())

    def step(formulation: str) -> float:
        plain, last, wasteful = FORMULATIONS[formulation]
        model.to(memory_format=torch.channels_last if last else torch.contiguous_format)
        with ExitStack() as stack:
            if plain:
                stack.enter_context(every_operation() if algorithm == 'eoinas' else edge_by_edge())
            if wasteful:
                for module in ('cdarts', 'darts', 'gdas'):
                    name = f'ppnas_mm.algorithms.{module}.without_gradient'
                    stack.enter_context(patch(name, lambda parameters: ExitStack()))
            start = time.perf_counter()
            model.train_step(data, optimizers)
            if device == 'cuda':
                torch.cuda.synchronize()
            return time.perf_counter() - start

    return step


def peak_memory(args: argparse.Namespace, formulation: str) -> float:
    """Return the peak memory in MiB that one step adds, measured in a process of its own."""
    command = [sys.executable, __file__, 'search-step', '--algorithm', args.algorithm]
    command += ['--batch-size', str(args.batch_size), '--device', args.device]
    done = subprocess.run(
        [*command, '--memory', formulation], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def search_step(args: argparse.Namespace) -> None:
    """Time a joint search step beside the plain, edge-by-edge formulation, interleaved."""
    import torch

    from ppnas_mm.backbone_latency import resident
    from ppnas_mm.report import table

    step = build_step(args.algorithm, args.batch_size, args.device)
    if args.memory:
        if args.device == 'cuda':
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            step(args.memory)
            print((torch.cuda.max_memory_allocated() - before) / 2**20)
            return
        before = resident('VmHWM')
        step(args.memory)
        print(resident('VmHWM') - before)
        return
    times: dict[str, list[float]] = {name: [] for name in FORMULATIONS}
    for round_ in range(args.rounds + 1):
        for name, values in times.items():
            values.append(step(name))
            print(f'round {round_}: {name} {values[-1]:.3f} s', file=sys.stderr)
    middle = {name: statistics.median(values[1:]) for name, values in times.items()}
    rows = [
        [
            name,
            f'{middle[name]:.3f}',
            f'{middle["plain"] / middle[name]:.2f}',
            f'{peak_memory(args, name):.0f}',
        ]
        for name in times
    ]
    print(
        f'{args.algorithm}, joint step, batch {args.batch_size}, {args.device}, '
        f'{torch.get_num_threads()} threads, median of {args.rounds}'
    )
    print(table(['formulation', 'seconds', 'speed', 'peak memory, MiB'], rows))


def latency_table(args: argparse.Namespace) -> None:
    """Time every candidate of a search's super-net; compare the sums with derived networks."""
    from mmengine.registry import MODELS, DefaultScope

    from ppnas_mm.compat import guard_torchvision
    from ppnas_mm.config import ConfigError, load_config, replace_sync_bn
    from ppnas_mm.latency import check_latency, latency_report, latency_table

    guard_torchvision()
    config = load_config(args.config)
    if 'model' not in config.model:
        raise ConfigError(f'config {args.config}: no model.model, so it is not that of a search')
    replace_sync_bn(config.model)
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        model = MODELS.build(config.model.model).to(args.device)
    shape = (args.channels, args.size, args.size)
    table = latency_table(model, shape, args.batch_size, args.rounds)
    checks = check_latency(table, model, args.check, args.rounds) if args.check else []
    print(latency_report(table, checks))
    if args.out:
        table.save(args.out)
        print(f'written: {args.out}')


def latency(args: argparse.Namespace) -> None:
    """Time the backbones side by side in their forms."""
    import torch

    from ppnas_mm import backbone_latency as measured
    from ppnas_mm.fileio import write_atomic

    if args.threads:
        torch.set_num_threads(args.threads)
    conditions = dict(size=args.size or 224, device=args.device, dtype=args.dtype)
    if args.memory_of:
        name, form, batch = args.memory_of
        print(measured.peak_memory(name, form, int(batch), **conditions))
        return
    names = args.networks or list(measured.BACKBONES)
    record = measured.measure(names, args.forms, args.batches, rounds=args.rounds, **conditions)
    for result in record['results']:
        what = [result['network'], result['form'], str(result['batch'])]
        # a compiler's memory is not the network's
        if not args.no_memory and result['form'] != 'compiled':
            result['memory'] = memory_of(args, what)
    print(measured.latency_report(record))
    if args.out:
        stem = Path(args.out).with_suffix('')
        write_atomic(stem.with_suffix('.json'), json.dumps(record, indent=1).encode())
        write_atomic(stem.with_suffix('.md'), measured.latency_report(record).encode() + b'\n')
        measured.draw_latency(record, stem.with_suffix('.svg'))
        print(f'written: {stem}.json, .md, .svg')


def memory_of(args: argparse.Namespace, what: list[str]) -> float:
    """Return the peak memory in MiB of one backbone's forward, in a process of its own."""
    command = [sys.executable, __file__, 'latency', '--device', args.device, '--dtype', args.dtype]
    command += ['--size', str(args.size or 224), '--threads', str(args.threads or 0)]
    done = subprocess.run(
        [*command, '--memory-of', *what], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def step_costs(args: argparse.Namespace) -> None:
    """Print what a search costs, or predicted beside measured steps of every algorithm."""
    from mmengine.logging import MMLogger

    from ppnas_mm.compat import guard_torchvision
    from ppnas_mm.config import ConfigError, load_config
    from ppnas_mm.cost_check import check_steps
    from ppnas_mm.cost_model import cost_report, search_cost

    guard_torchvision()
    MMLogger.get_current_instance().setLevel('ERROR')
    if args.what == 'step-check':
        return print(check_steps(Path(__file__).parents[1] / 'configs/search', args.rounds))
    if not args.config:
        raise ConfigError('step-cost needs CONFIG')
    config = load_config(args.config)
    print(cost_report(search_cost(config, args.processes, args.images, args.size)))


def main() -> None:
    """Parse the arguments and run one benchmark."""
    parser = cli.new_parser(
        'Benchmarks: "params" counts parameters and multiply-adds of the backbones, "complexity" '
        'those of the detectors and segmentors; "search-step" times a step of a search beside the '
        'plain formula, which goes edge by edge, computes all gradients and, for eoinas, every '
        'operation; "latency" times backbones side by side, as built, deployed and compiled; '
        '"latency-table" times every candidate of the super-net of CONFIG, a search, '
        'and sets their sums beside measured networks; "step-cost" tells what the search CONFIG '
        'costs each of its processes, "step-check" sets measured steps beside it.',
        'python tools/benchmark.py search-step --algorithm cdarts --batch-size 16\n'
        '  python tools/benchmark.py latency --threads 2 --rounds 20 --out latency\n'
        '  python tools/benchmark.py latency-table configs/search/cdarts_chain_imagenet.py \\\n'
        '      --size 224 --batch-size 1 --check 5 --out latency.json',
    )
    tables = {'params': params, 'complexity': complexity}
    known = [*tables, 'search-step', 'latency', 'latency-table', 'step-cost', 'step-check']
    parser.add_argument('what', choices=known)
    parser.add_argument('config', nargs='?', help='latency-table, step-cost: config of a search')
    parser.add_argument('--processes', type=int, default=1, help='step-cost: of the search')
    parser.add_argument('--images', type=int, help='step-cost: training images of data of your own')
    parser.add_argument(
        '--algorithm', choices=['cdarts', 'darts', 'darts-2nd', 'eoinas'], default='cdarts'
    )
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument('--rounds', type=int, default=5, help='timed rounds, after warming up')
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--memory', choices=list(FORMULATIONS), help=argparse.SUPPRESS)
    parser.add_argument(
        '--size', type=int, help='latency, latency-table: side of the images (latency: 224)'
    )
    parser.add_argument('--networks', nargs='+', help='latency: names as in its table')
    forms = ['eager', 'deployed', 'compiled']
    parser.add_argument('--forms', nargs='+', choices=forms, default=forms[:2], help='latency')
    parser.add_argument('--batches', type=int, nargs='+', default=[1, 8], help='latency')
    parser.add_argument('--dtype', choices=['fp32', 'bf16', 'fp16'], default='fp32', help='latency')
    parser.add_argument('--threads', type=int, help='latency: threads of the CPU')
    parser.add_argument('--no-memory', action='store_true', help='latency: no peak memory')
    parser.add_argument('--memory-of', nargs=3, help=argparse.SUPPRESS)
    parser.add_argument('--channels', type=int, default=3, help='latency-table: of the images')
    parser.add_argument(
        '--check', type=int, default=5, metavar='N', help='latency-table: networks measured whole'
    )
    parser.add_argument(
        '--out', metavar='JSON', help='latency: with .md and .svg beside it; latency-table'
    )
    args = parser.parse_args()
    if args.what in ('step-cost', 'step-check'):
        return step_costs(args)
    if (args.what == 'latency-table') != bool(args.config and args.size):
        parser.error('latency-table needs CONFIG and --size, the others take no CONFIG')
    if args.what == 'search-step':
        search_step(args)
    elif args.what == 'latency-table':
        latency_table(args)
    elif args.what == 'latency':
        latency(args)
    else:
        tables[args.what]()


if __name__ == '__main__':
    cli.run_tool(main)
