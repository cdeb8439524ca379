# CDARTS on 10 % + 10 % of ImageNet as the paper says (Table 1 and Section 4.1); the evaluation
# network has one optimizer here, Adam also where it learns alone (paper: SGD, 0.8).
_base_ = './cdarts_imagenet.py'
model = dict(
    model=dict(backbone=dict(combine='sum')),
    distillation=dict(loss='kl'),
    l1_epochs=20,
    l1_ops=('skip_connect', ))
optim_wrapper = dict(
    weights=dict(optimizer=dict(weight_decay=3e-5)),
    evaluation=dict(
        optimizer=dict(
            _delete_=True, type='Adam', lr=3e-4, betas=(0.5, 0.99), weight_decay=3e-5)),
    arch=dict(optimizer=dict(betas=(0.5, 0.99), weight_decay=3e-5)))
# Adam's rate is fixed (Section 4.1).
param_scheduler = dict(
    weights=[
        dict(type='CosineAnnealingLR', T_max=130, by_epoch=True, convert_to_iter_based=True),
    ],
    evaluation=[])
