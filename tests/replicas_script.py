"""Run by test_replicas.py under torchrun: joint CDARTS steps on different data a process."""

import os

import torch
from mmengine.dist import all_gather, get_rank
from tasks import classifier, classifier_batch, search_optimizers

from ppnas_mm.compat import guard_torchvision
from ppnas_mm.engine import Replicas
from ppnas_mm.registry import MODELS

guard_torchvision()
torch.distributed.init_process_group('gloo')
torch.manual_seed(get_rank())  # replicas start as the first process
net = {'type': 'ppnas_mm.DARTSSuperNet', 'num_cells': 3, 'init_channels': 2}
config = {'evaluation': {'num_cells': 4}, 'classes': 3, 'pools': (3, 2), 'separate_epochs': 0}
algorithm = MODELS.build({'type': 'ppnas_mm.CDARTS', 'model': classifier(net), **config})
wrapped = Replicas(algorithm).train()
algorithm.before_epoch(1)
optimizers = search_optimizers(wrapped)
for step in range(2):
    seeds = (10 * step + get_rank(), 100 + 10 * step + get_rank())
    halves = zip(('train', 'val'), seeds, strict=True)
    wrapped.train_step({half: classifier_batch(seed=s) for half, s in halves}, optimizers)
wrapped.average_buffers()
values = torch.cat([v.flatten().double() for v in algorithm.state_dict().values()])
one, two = all_gather(values)
assert torch.equal(one, two), (one - two).abs().max()
print('EQUAL', flush=True)
torch.distributed.destroy_process_group()
os._exit(0)  # gloo's threads abort a process that they outlive
