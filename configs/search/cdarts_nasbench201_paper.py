# CDARTS in the NAS-Bench-201 space as the paper says; see cdarts_cifar10_paper.py. No L1, as its
# text says (its Table 1 prints 5). The benchmark's pools have no norm.
_base_ = './cdarts_nasbench201.py'
model = dict(
    distillation=dict(loss='kl', ensemble='sum', shares=None),
    distill_weight=4.0,
    l1_weight=0.0,
    joint_optimizer='joint')
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=0.1)),
    evaluation=dict(optimizer=dict(lr=0.1)),
    joint=dict(
        optimizer=dict(type='Adam', lr=3e-4, betas=(0.5, 0.99), weight_decay=3e-4),
        clip_grad=dict(max_norm=5)),
    arch=dict(optimizer=dict(betas=(0.5, 0.99), weight_decay=3e-4)))
param_scheduler = dict(joint=[])  # Adam's rate is fixed (Section 4.1)
