"""Searches of two processes, with prunings and expansions, on different data each."""

import torch
from mmengine.dist import all_gather, get_rank
from tasks import classifier, classifier_batch, search_optimizers

from ppnas_mm.engine import Replicas
from ppnas_mm.registry import MODELS
from ppnas_mm.utils.distributed import average_buffers

NET = {'type': 'ppnas_mm.DARTSSuperNet', 'num_cells': 3, 'init_channels': 2}
ALGORITHMS = {
    'CDARTS': {'evaluation': {'num_cells': 4}, 'classes': 3, 'pools': (3, 2), 'separate_epochs': 0},
    'EoiNAS': {'warmup_epochs': 0, 'slimming': {'begin': 1, 'interval': 1}},
    'SENAS': {
        'first_epochs': 1,
        'stage_epochs': 1,
        'drop': 16,
        'threshold': 12,
        'models_per_op': 2,
        'accuracy': 'loss',
        'recalibrate_batches': 1,
        'selection': {'population': 4, 'generations': 2, 'crossover': 2, 'mutation': 2},
    },
}
MOBILE = {'type': 'ppnas_mm.MobileSuperNet', 'width': 0.25, 'depths': (1,) * 6, 'variant': 'cifar'}


def stay_equal() -> None:
    """Search with each algorithm; weights, buffers and architecture must be the same bit by bit."""
    torch.manual_seed(get_rank())  # replicas start as the first process
    for name, options in ALGORITHMS.items():
        model = classifier(MOBILE if name == 'SENAS' else NET)
        algorithm = MODELS.build({'type': f'ppnas_mm.{name}', 'model': model, **options})
        if name == 'SENAS':
            halves = {'train': (1, 2), 'val': (3,)}
            own = {
                h: [classifier_batch(seed=10 * s + get_rank()) for s in n]
                for h, n in halves.items()
            }
            algorithm.attach(own, 3)
        wrapped = Replicas(algorithm).train()
        optimizers = search_optimizers(wrapped)
        for epoch in (1, 2, 3):
            algorithm.before_epoch(epoch)
            for step in range(2):
                seed = 40 * epoch + 10 * step + get_rank()
                halves = {'train': seed, 'val': 100 + seed}
                batch = {half: classifier_batch(seed=s) for half, s in halves.items()}
                wrapped.train_step(batch, optimizers)
            average_buffers(algorithm)
            algorithm.after_epoch(epoch)
            optimizers.follow_model()
        values = torch.cat([v.flatten().double() for v in algorithm.state_dict().values()])
        one, two = all_gather(values)
        assert torch.equal(one, two), (name, (one - two).abs().max())
        hashes = all_gather(torch.tensor([int(algorithm.derive(strict=False).hash[:8], 16)]))
        assert torch.equal(*hashes)
        if name == 'SENAS':
            assert algorithm.finished and algorithm.details()['super_net']['merged']
        print(f'EQUAL {name}', flush=True)
