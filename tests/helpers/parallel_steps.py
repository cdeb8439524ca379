"""Searches; run under torchrun (FOLDER NAME...): one step of those named, and ``stay_equal``."""

import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from made_tables import made_table
from mmengine.dist import all_gather_object, get_rank
from mmengine.model import MMDistributedDataParallel, convert_sync_batchnorm
from tasks import PPCONV, classifier, classifier_batch, detector, detector_batch, search_optimizers
from torch import distributed, nn
from zoo import SPACES

from ppnas_mm.engine import Replicas
from ppnas_mm.registry import MODELS
from ppnas_mm.utils import distributed as averaging

CELLS = {'type': 'ppnas_mm.DARTSSuperNet', 'num_cells': 3, 'init_channels': 2}
LAYERS = {**SPACES['mobile'], 'width': 0.25}
TWO = ('PPNAS', 'EoiNAS')
"""One under DDP, one under ``Replicas``; both learn an architecture."""
SEARCHES: dict[str, dict[str, Any]] = {
    'PPNAS': {'type': 'PPNAS', 'net': SPACES['ppconv']},
    'CDARTS': {
        'type': 'CDARTS', 'net': CELLS, 'evaluation': {'num_cells': 4}, 'classes': 3,
        'pools': (3, 2), 'separate_epochs': 0,
    },
    'DARTS': {'type': 'DARTS', 'net': CELLS},
    'DARTS of second order': {'type': 'DARTS', 'net': CELLS, 'order': 2},
    'GDAS': {'type': 'GDAS', 'net': CELLS, 'seed': 0},
    'EoiNAS': {'type': 'EoiNAS', 'net': CELLS, 'warmup_epochs': 0, 'seed': 0},
    'SPOS': {'type': 'SPOS', 'net': LAYERS, 'seed': 0},
    'FairNAS': {'type': 'SPOS', 'net': LAYERS, 'sampler': 'fair', 'seed': 0},
    'SENAS': {'type': 'SENAS', 'net': LAYERS, 'seed': 0},
    'SENAS of cells': {'type': 'SENAS', 'net': CELLS, 'seed': 0},
    'ZeroCostSearch': {
        'type': 'ZeroCostSearch', 'net': LAYERS, 'score': 'params', 'draws': 3, 'seed': 0,
    },
    'TableSearch': {
        'type': 'TableSearch', 'net': SPACES['nasbench-macro'], 'dataset': 'cifar10', 'queries': 5,
        'seed': 0,
    },
}  # fmt: skip


def build(name: str) -> Any:
    """A search with random weights, the same in each process, in float64."""
    given = dict(SEARCHES[name])
    kind, net = f'ppnas_mm.{given.pop("type")}', given.pop('net')
    if name == 'TableSearch':
        given['table'] = made_table('nasbench-macro')
    torch.manual_seed(0)
    algorithm = MODELS.build({'type': kind, 'model': classifier(net), **given})
    algorithm.before_epoch(1)
    return algorithm.double().train()


def batches(algorithm: Any, *ranks: int) -> Any:
    """What the loaders of some processes give, put together."""

    def joined(start: int) -> dict[str, Any]:
        parts = [classifier_batch(seed=start + rank) for rank in ranks]
        return {key: [item for part in parts for item in part[key]] for key in parts[0]}

    if hasattr(algorithm, 'uses'):
        return {'train': joined(10), 'val': joined(20)}
    return joined(10)


def parallel(module: nn.Module) -> MMDistributedDataParallel:
    """DDP as the tools build it."""
    return MMDistributedDataParallel(
        module, device_ids=None, broadcast_buffers=False, find_unused_parameters=False
    )


def one_step(name: str, folder: Path) -> None:
    """Do one step of a search, and write what it leaves and what it sent."""
    algorithm = convert_sync_batchnorm(build(name))
    assert not any(type(m) is nn.BatchNorm2d for m in algorithm.modules())
    sent: list[int] = []
    named = {id(p): n for n, p in algorithm.named_parameters()}
    shapes: list[Any] = []

    def count(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(tensor.numel() * tensor.element_size())
        return real(tensor, *args, **kwargs)

    def note(tensors: list, **kwargs: Any) -> None:
        owners = {id(p.grad): named[id(p)] for p in algorithm.parameters() if p.grad is not None}
        shapes.append([owners.get(id(t), tuple(t.shape)) for t in tensors])
        reduce(tensors, **kwargs)

    real, reduce = distributed.all_reduce, averaging.all_reduce_params
    if SEARCHES[name]['type'] == 'PPNAS':
        wrapped: Any = parallel(algorithm)

        def hook(state: Any, bucket: distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
            sent.append(bucket.buffer().numel() * bucket.buffer().element_size())
            work = distributed.all_reduce(bucket.buffer().div_(2), async_op=True)
            return work.get_future().then(lambda done: done.value()[0])

        wrapped.register_comm_hook(None, hook)
        wrapped.train_step(batches(algorithm, get_rank()), search_optimizers(wrapped))
    else:
        wrapped = Replicas(algorithm)
        optimizers = search_optimizers(wrapped)
        with (
            patch.object(distributed, 'all_reduce', count),
            patch.object(averaging, 'all_reduce_params', note),
        ):
            wrapped.train_step(batches(algorithm, get_rank()), optimizers)
        one, two = all_gather_object(shapes)
        assert one == two and len(one) == len(sent), name  # one call for all gradients of a loss
    file = folder / f'{name}-{get_rank()}.pth'
    torch.save({'state': algorithm.state_dict(), 'sent': sum(sent)}, file)


def steps_without_a_scan() -> None:
    """DDP refuses its second step if a parameter had no gradient in the first."""
    tasks = (
        (classifier(SPACES['ppconv']), classifier_batch),
        (detector({**PPCONV, 'frozen_stages': 1}), detector_batch),
    )
    for model, batch in tasks:
        algorithm = MODELS.build({'type': 'ppnas_mm.PPNAS', 'model': model})
        wrapped = parallel(algorithm).train()
        optimizers = search_optimizers(wrapped)
        for seed in (1, 2):
            wrapped.train_step(batch(seed=seed + 10 * get_rank()), optimizers)
        values = torch.cat([p.detach().flatten() for p in algorithm.parameters()])
        one, two = all_gather_object(values)
        assert torch.equal(one, two)


if __name__ == '__main__':
    import synchronised
    from replicas import stay_equal

    distributed.init_process_group('gloo')
    with synchronised.on_cpu():
        for search in sys.argv[2:]:
            one_step(search, Path(sys.argv[1]))
    if set(sys.argv[2:]) == set(SEARCHES):
        steps_without_a_scan()
    stay_equal()
    print('STEPPED', flush=True)
    distributed.destroy_process_group()
    os._exit(0)  # gloo's threads abort a process that they outlive
