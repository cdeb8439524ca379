# EoiNAS on CIFAR-10 with the values of the paper (Section IV-B), one GPU; 25,000 + 25,000 images.
# The authors' code differs in: alpha's rate 6e-4 and start 1e-3 N(0, 1), lowest rate of the weights
# 0, clipping to 5, a dropout on skip connections, model.hard=False, a new Adam after each pruning
# (slimming.keep_moments=False), and model.indicator=dict(kind='code', accuracy='last', scale=100,
# unit='steps', unsampled='zero'). `--seeds 0,1,2,3` searches four times and keeps the best, as the
# paper does.
_base_ = './darts_cifar10.py'
model = dict(
    _delete_=True, type='ppnas_mm.EoiNAS', model={{_base_.model.model}}, warmup_epochs=20,
    slimming=dict(begin=40, interval=20))
optim_wrapper = dict(weights=dict(_delete_=True, optimizer={{_base_.optim_wrapper.weights.optimizer}}))
param_scheduler = dict(
    weights=[
        dict(
            type='CosineAnnealingLR', T_max=160, eta_min=1e-3, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=160, val_interval=20)
