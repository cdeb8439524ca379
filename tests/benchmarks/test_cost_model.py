"""What a search costs: against counts by hand, real loaders and real searches."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from oneshot import build
from tasks import classifier, classifier_batch, search_optimizers
from tool import ROOT, call
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from zoo import SPACES, count_multiplications

from ppnas_mm.benchmarks.cost_model import (
    TIMED,
    Part,
    Probe,
    Probes,
    batches,
    cost_report,
    input_size,
    make_batch,
    search_cost,
)
from ppnas_mm.benchmarks.step_counters import Counts, Traffic, count_flops, count_saved
from ppnas_mm.config.keys import ConfigError
from ppnas_mm.config.load import load_config
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces import Fixed


def load(name: str) -> Config:
    return load_config(ROOT / f'configs/search/{name}.py')


class Products(TorchDispatchMode):
    """Counts the multiply-adds of matrix products: rows times columns times what is summed."""

    multiplications = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func._schema.name in ('aten::mm', 'aten::bmm', 'aten::addmm'):
            self.multiplications += output.numel() * args[-1].shape[-2]
        return output


def forward_multiplications(algorithm: Any, images: int, size: int) -> tuple[int, int]:
    """Multiply-adds of a forward pass, and those of the first convolution."""
    first: list[int] = []
    conv = next(m for m in algorithm.modules() if isinstance(m, nn.Conv2d))

    def count(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        first.append(output.numel() * module.weight[0].numel())

    handle = conv.register_forward_hook(count)
    with Products() as products:
        total = count_multiplications(algorithm.model, torch.randn(images, 3, size, size))
    handle.remove()
    return total + products.multiplications, first[0]


@pytest.mark.parametrize(
    ('kind', 'space'), [('PPNAS', 'ppconv'), ('SPOS', 'mobile'), ('SPOS', 'darts')]
)
def test_a_step_takes_three_forward_passes_but_for_the_gradient_of_the_images(
    kind: str, space: str
) -> None:
    algorithm = MODELS.build({'type': f'ppnas_mm.{kind}', 'model': classifier(SPACES[space])})
    if kind == 'SPOS':
        path = algorithm.training_paths()[0]
        algorithm.training_paths = lambda: [path]
        algorithm.super_net.mixture = Fixed(path)
    forward, first = forward_multiplications(algorithm, 4, 16)
    probe = Probe(algorithm, search_optimizers(algorithm), classifier_batch(), draws=1)
    assert probe.step().flops == 2 * (3 * forward - first)


def test_depthwise_convolutions_count_their_groups() -> None:
    conv = nn.Conv2d(6, 12, 3, padding=1, groups=3)
    with count_flops() as flops:
        conv(torch.randn(2, 6, 5, 5, requires_grad=True)).sum().backward()
    assert flops.get_total_flops() == 3 * 2 * (2 * 5 * 5 * 12 * 2 * 9)


def test_saved_tensors_are_counted_once_and_until_they_are_freed() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with count_saved(model) as saved:
        output = model(torch.randn(5, 4))
        # the images, and the hidden units for the ReLU and for the layer behind
        assert saved.live == 4 * (5 * 4 + 5 * 8)
        output.sum().backward()
    assert saved.live == 0 and saved.peak == 4 * (5 * 4 + 5 * 8)


def test_traffic_of_a_step() -> None:
    model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.ReLU(), nn.Linear(8, 2, bias=False))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    images, gradient = torch.randn(5, 4), torch.randn(5, 2)
    with Traffic() as traffic:
        model(images).backward(gradient)
        optimizer.step()
    forward = [20 + 32 + 40, 40 + 40, 40 + 16 + 10]
    weights = [40 + 20 + 32, 10 + 40 + 16]  # their gradients
    hidden = [10 + 16 + 40, 40 + 40 + 40]
    update = [3 * 32, 3 * 16]
    each = [*forward, *weights, *hidden, *update]
    assert (traffic.operations, traffic.moved) == (len(each), 4 * sum(each))


def test_traffic_of_a_convolution() -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    images, gradient = torch.randn(2, 3, 5, 5), torch.randn(2, 4, 5, 5)
    with Traffic() as traffic:
        conv(images).backward(gradient)
    x, weight, y = 2 * 3 * 25, 4 * 27, 2 * 4 * 25
    forward, backward = x + weight + y, y + x + weight + weight
    assert (traffic.operations, traffic.moved) == (2, 4 * (forward + backward))


def test_views_move_nothing_and_expanded_tensors_what_they_hold() -> None:
    x = torch.randn(6, 4)
    with Traffic() as traffic:
        x.t().reshape(4, 2, 3)[1:].detach()
        torch.empty(1000)
    assert (traffic.operations, traffic.moved) == (1, 0)
    row = torch.randn(1, 4)
    with Traffic() as traffic:
        row.expand(6, 4) + x
    assert (traffic.operations, traffic.moved) == (1, 4 * (4 + 24 + 24))


@pytest.mark.parametrize(('kind', 'space'), [('PPNAS', 'ppconv'), ('SPOS', 'mobile')])
def test_a_few_images_tell_what_more_take(kind: str, space: str) -> None:
    algorithm = MODELS.build({'type': f'ppnas_mm.{kind}', 'model': classifier(SPACES[space])})
    optimizers = search_optimizers(algorithm)
    probe = Probe(algorithm, optimizers, make_batch(algorithm.model, 9, 16), draws=2)
    predicted = Probes(algorithm, optimizers, 16, draws=2).step(9)
    counted = probe.step()
    assert tuple(predicted) == pytest.approx(tuple(counted), rel=1e-12)
    assert len(set(counted)) == len(counted) and min(counted) > 0


# -- steps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('name', 'processes', 'steps'),
    [
        ('ppnas_imagenet', 8, 1251),  # 1,281,167 images by 1,024
        ('ppnas_imagenet', 32, 312),
        ('cdarts_imagenet', 8, 125),  # a tenth of them
        ('darts_cifar10', 1, 390),  # 25,000 by 64
        ('senas_cifar10', 1, 351),  # 45,000 by 128
        ('eoinas_cityscapes', 1, 744),  # 1,488 by 2, the last one too
    ],
)
def test_steps_of_an_epoch(name: str, processes: int, steps: int) -> None:
    assert batches(load(name), processes)[0] == steps


@pytest.mark.parametrize('name', ['ppnas_digits', 'senas_digits', 'cdarts_digits'])
def test_steps_are_those_of_the_loaders(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(name)
    loader = config.train_dataloader
    data = loader.dataset
    if config.train_cfg.get('type'):
        share = config.train_cfg.get('val_share', 0.5)
        data = {'type': 'ppnas_mm.Half', 'dataset': data, 'half': 'train', 'val_share': share}
    monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (1, 3))
    monkeypatch.setattr('mmengine.dataset.sampler.sync_random_seed', lambda: 0)
    built = Runner.build_dataloader({**loader, 'dataset': data, 'batch_size': 7}, seed=0)
    config.train_dataloader.batch_size = 7
    assert batches(config, 3)[0] == len(built)


def test_what_is_not_known_is_asked_for() -> None:
    config = load('ppnas_imagefolder')
    with pytest.raises(ConfigError, match='how many training images has CustomDataset'):
        batches(config, 1)
    assert batches(config, 1, images=6400)[0] == 6400 // config.train_dataloader.batch_size
    assert input_size(load('senas_imagenet_470m')) == 224
    assert input_size(load('senas_nasbench201-20k')) == 16
    config.train_dataloader.dataset.pipeline = [{'type': 'PackInputs'}]
    with pytest.raises(ConfigError, match='no crop or resize'):
        input_size(config)


def test_phases_of_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Probes, 'step', lambda self, images: Counts(1, 1, 1, 1, 1))
    monkeypatch.setattr(Probes, 'evaluation', lambda self, images: Counts(1, 1, 1, 0, 0))
    found = {}
    for name in ('cdarts_digits', 'eoinas_digits', 'darts_digits', 'senas_digits'):
        parts = search_cost(load(name), processes=2)
        found[name] = {part.name: (part.epochs, part.steps) for part in parts}
    (ends, evaluated) = found['senas_digits'].pop('evaluation')
    # 160 architectures selected from, 20 models an operation of four a choice, and more where the
    # limit makes operations rare; each is seen by 4 + 5 batches, after four shrinkings, at the end
    models, rest = divmod(evaluated, 9)
    assert (ends, rest) == (5, 0) and 160 + 4 * 80 <= models <= 160 + 4 * 140
    assert found == {  # 360 or, for SE-NAS, 539 images a process
        'cdarts_digits': {'warm-up': (2, 10), 'separate': (12, 60), 'joint': (12, 60)},
        'eoinas_digits': {'train': (12, 12 * 11), 'train + val': (84, 84 * 11)},
        'darts_digits': {'train': (2, 10), 'train + val': (12, 60)},
        'senas_digits': {'train': (64, 64 * 16)},
    }


def test_evaluations_of_a_one_shot_search() -> None:
    algorithm = build('SENAS', 'mobile', drop=2, epochs=3)
    seen = []
    algorithm.super_net.register_forward_hook(lambda *args: seen.append(1))
    optimizers = search_optimizers(algorithm)
    for epoch in (1, 2, 3):
        algorithm.train()
        algorithm.before_epoch(epoch)
        for batch in algorithm.loaders['train']:
            algorithm.train_step({'train': batch}, optimizers)
        seen.clear()
        predicted = algorithm.batches_evaluated(epoch, 2, 2)
        algorithm.after_epoch(epoch)
        assert len(seen) == predicted > 0
        optimizers.follow_model()
    assert algorithm.finished


PARTS = [
    Part('train', 1, 10, Counts(4e9, 3e8, 1000, 0, 3_000_000), 1.5),
    Part('evaluation', 1, 5, Counts(2e9, 1e8, 100, 0, 0), 0.25),
]


def test_a_report_has_hours_where_steps_were_timed() -> None:
    plain = [replace(part, seconds=None) for part in PARTS]
    rows = [line.split('|')[1:-1] for line in cost_report(plain).splitlines()]
    timed = [line.split('|')[1:-1] for line in cost_report(PARTS).splitlines()]
    assert len(rows[0]) == 9 and [cell.strip() for cell in timed[0][9:]] == ['ms a step', 'hours']
    hours = (15 / 3600, 1.25 / 3600, 16.25 / 3600)
    expected = [[each, f'{h:.2f}'] for each, h in zip(('1500.0', '250.0', ''), hours, strict=True)]
    assert [[cell.strip() for cell in row[9:]] for row in timed[2:]] == expected


def test_ten_steps_are_timed_of_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    step = Probe.train_step

    def spy(self: Probe) -> None:
        seen.append(len(self.batch['inputs']))
        step(self)

    monkeypatch.setattr(Probe, 'train_step', spy)
    config = load('ppnas_digits')
    config.train_dataloader.batch_size = 5
    counted = search_cost(config)
    assert 5 not in seen and counted[0].seconds is None
    (part,) = search_cost(config, timed=True)
    assert seen.count(5) == 1 + TIMED and 0 < part.seconds < 60
    assert part.counts == counted[0].counts


def test_the_time_of_a_step_is_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((100.0, 103.0))
    monkeypatch.setattr('ppnas_mm.benchmarks.cost_model.time.perf_counter', lambda: next(clock))
    calls: list[int] = []
    assert Probe.seconds(object(), lambda: calls.append(1)) == pytest.approx(3 / TIMED)
    assert len(calls) == 1 + TIMED


def test_the_tool_prints_a_table(capsys: pytest.CaptureFixture) -> None:
    config = ROOT / 'configs/search/ppnas_digits.py'
    assert call('benchmark.py', 'step-cost', config, '--processes', 2, '--time') == 0
    train = [cell.strip() for cell in capsys.readouterr().out.splitlines()[2].split('|')[1:-1]]
    assert train[:3] == ['train', '20', '220']
    assert float(train[-1]) == pytest.approx(220 * float(train[-2]) / 3.6e6, abs=0.006)
