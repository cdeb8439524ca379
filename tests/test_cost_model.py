"""What a search costs: against counts by hand, real loaders and real searches."""

import math
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

from ppnas_mm.benchmarks.cost_model import Part, Probe, batches, input_size, search_cost, seconds
from ppnas_mm.benchmarks.step_counters import count_flops, count_saved
from ppnas_mm.config import ConfigError, load_config
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
    assert probe.step()[0] == 2 * (3 * forward - first)


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
    monkeypatch.setattr(Probe, 'step', lambda self: (1.0, 1.0, 1.0))
    monkeypatch.setattr(Probe, 'forward_flops', lambda self: 1.0)
    found = {}
    for name in ('cdarts_digits', 'eoinas_digits', 'darts_digits', 'senas_digits'):
        parts = search_cost(load(name), processes=2)
        found[name] = {part.name: (part.epochs, part.steps) for part in parts}
    assert found == {  # 360 or, for SE-NAS, 539 images a process
        'cdarts_digits': {'warm-up': (2, 10), 'separate': (12, 60), 'joint': (12, 60)},
        'eoinas_digits': {'train': (12, 12 * 11), 'train + val': (84, 84 * 11)},
        'darts_digits': {'train': (2, 10), 'train + val': (12, 60)},
        'senas_digits': {'train': (64, 64 * 16), 'evaluation': (5, 3040)},
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


def test_seconds_add_up_computing_and_the_ring() -> None:
    parts = [Part('train', 1, 10, 4e9, 0.0, 3_000_000), Part('evaluation', 1, 5, 2e9, 0.0, 0)]
    assert math.isclose(seconds(parts, 2e9, 1e6, 1), 25)
    assert math.isclose(seconds(parts, 2e9, 1e6, 4), 25 + 10 * 1.5 * 3)


def test_the_tool_prints_a_table(capsys: pytest.CaptureFixture) -> None:
    config = ROOT / 'configs/search/ppnas_digits.py'
    assert call('benchmark.py', 'step-cost', config, '--processes', 2) == 0
    train = capsys.readouterr().out.splitlines()[2].split('|')
    assert [train[i].strip() for i in (1, 2, 3)] == ['train', '20', '220']
