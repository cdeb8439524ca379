# CDARTS on 10 % + 10 % of ImageNet as the paper says (Table 1, Section 4.1, eq. 8 to 11); see
# cdarts_cifar10_paper.py.
_base_ = './cdarts_imagenet.py'
model = dict(
    model=dict(backbone=dict(combine='sum', pool_norm=True)),
    distillation=dict(loss='kl', ensemble='sum', shares=None),
    distill_weight=4.0,
    l1_epochs=20,
    l1_ops=('skip_connect', ),
    joint_optimizer='joint')
optim_wrapper = dict(
    weights=dict(optimizer=dict(weight_decay=3e-5)),
    evaluation=dict(optimizer=dict(weight_decay=3e-5)),
    joint=dict(
        optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.99), weight_decay=3e-5),
        clip_grad=dict(max_norm=5)),
    arch=dict(optimizer=dict(betas=(0.5, 0.99), weight_decay=3e-5)))
param_scheduler = dict(joint=[])  # Adam's rate is fixed (Section 4.1)
