"""Run by test_replicas.py under torchrun: one process's super-net is changed, both must stop."""

import copy
import os

import torch
from mmengine.dist import get_rank
from oneshot import NETS

from ppnas_mm.engine.agreement import DifferentArchitecturesError, require_one_architecture
from ppnas_mm.registry import MODELS

torch.distributed.init_process_group('gloo')
torch.manual_seed(0)
original = MODELS.build(NETS['mobile'])
require_one_architecture(original, 1)
names = list(original.choices)


def nudge(net: torch.nn.Module) -> None:
    """Change an architecture parameter by the least that float32 can hold."""
    parameter = net.arch[names[0]].data
    parameter[0] = torch.nextafter(parameter[0], torch.tensor(torch.inf))


changes = {
    'parameters': nudge,
    'pruned': lambda net: net.prune(names[0], 0),
    'merged': lambda net: net.expand(50),
}
for what, change in changes.items():
    net = copy.deepcopy(original)
    if get_rank() == 1:
        change(net)
    try:
        require_one_architecture(net, 3)
    except DifferentArchitecturesError as error:
        assert 'epoch 3' in str(error) and 'rank 1' in str(error)
        print(f'STOPPED {what}', flush=True)
torch.distributed.destroy_process_group()
os._exit(0)  # gloo's threads abort a process that they outlive
