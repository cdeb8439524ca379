"""Two steps of every network under DDP, which stops where a parameter gets no gradient."""

import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from zoo import NETWORKS, build_network, images

dist.init_process_group('gloo')
for name in NETWORKS:
    for out_indices in ((0,), (0, 1)):
        net = DistributedDataParallel(build_network(name, out_indices=out_indices).train())
        for step in range(2):
            sum(m.mean() for m in net(images(2, 3, 32, 32, seed=step))).backward()
        print('STEPPED', name, flush=True)
dist.destroy_process_group()
