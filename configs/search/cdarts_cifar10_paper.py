# CDARTS on CIFAR-10 as the paper says (Table 1 and Section 4.1): sums at the nodes, KL divergence,
# L1 on the skips only, Adam for alpha and, in the joint stage, for the evaluation network. The
# evaluation network has one optimizer here, Adam also where it learns alone (paper: SGD, 0.1).
_base_ = './cdarts_cifar10.py'
model = dict(
    model=dict(backbone=dict(combine='sum')),
    distillation=dict(loss='kl', freeze_heads=False),
    l1_ops=('skip_connect', ),
    warmup_epochs=0)
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=0.1)),
    evaluation=dict(
        optimizer=dict(
            _delete_=True, type='Adam', lr=3e-4, betas=(0.5, 0.99), weight_decay=3e-4)),
    arch=dict(optimizer=dict(betas=(0.5, 0.99), weight_decay=3e-4)))
train_cfg = dict(max_epochs=60)
# Adam's rate is fixed (Section 4.1).
param_scheduler = dict(
    weights=[
        dict(type='CosineAnnealingLR', T_max=60, by_epoch=True, convert_to_iter_based=True),
    ],
    evaluation=[])
