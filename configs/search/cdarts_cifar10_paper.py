# CDARTS on CIFAR-10 as the paper says (Table 1, Section 4.1, eq. 8 to 11): sums at the nodes, pools
# with norms (DARTS' search), KL divergence between sums of the levels, lambda = 4 beside T^2 = 4, L1
# on the skips only; SGD where the evaluation network learns alone, Adam where it and alpha do.
_base_ = './cdarts_cifar10.py'
model = dict(
    model=dict(backbone=dict(combine='sum', pool_norm=True)),
    distillation=dict(loss='kl', ensemble='sum', shares=None, freeze_heads=False),
    distill_weight=4.0,
    l1_ops=('skip_connect', ),
    warmup_epochs=0,
    joint_optimizer='joint')
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=0.1)),
    evaluation=dict(optimizer=dict(lr=0.1)),
    joint=dict(
        optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.99), weight_decay=3e-4),
        clip_grad=dict(max_norm=5)),
    arch=dict(optimizer=dict(betas=(0.5, 0.99), weight_decay=3e-4)))
train_cfg = dict(max_epochs=60)
# Adam's rate is fixed (Section 4.1).
__cosine = [dict(type='CosineAnnealingLR', T_max=60, by_epoch=True, convert_to_iter_based=True)]
param_scheduler = dict(weights=__cosine, evaluation=__cosine, joint=[])
