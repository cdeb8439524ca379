# EoiNAS on CIFAR-10 as the authors' public code searches. It prunes the operation of lowest indicator
# and has no Markov chain: without steps of Q all states stay equal, and among equals the lowest
# indicator goes. A is per cent of the last batch, E counts steps since the last pruning, all
# operations are computed with soft weights. Left out: their dropout on skip connections, 0.1 falling
# to 0.
_base_ = './eoinas_cifar10.py'
model = dict(
    hard=False,
    init_std=1e-3,
    indicator=dict(
        kind='code', accuracy='last', scale=100.0, unit='steps', forget=True, unsampled='zero'),
    chain=dict(epsilon=(0, 0)),
    slimming=dict(keep_moments=False))
optim_wrapper = dict(
    weights=dict(clip_grad=dict(max_norm=5)),
    arch=dict(optimizer=dict(lr=6e-4), clip_grad=dict(max_norm=5)))
param_scheduler = dict(
    weights=[
        dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
    ])
