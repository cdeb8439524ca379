# CDARTS in the NAS-Bench-201 space as the paper says: KL divergence, Adam for alpha and for the
# evaluation network, and no L1, as its text says (its Table 1 prints 5).
_base_ = './cdarts_nasbench201.py'
model = dict(distillation=dict(loss='kl'), l1_weight=0.0)
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=0.1)),
    evaluation=dict(
        optimizer=dict(
            _delete_=True, type='Adam', lr=3e-4, betas=(0.5, 0.99), weight_decay=3e-4)),
    arch=dict(optimizer=dict(betas=(0.5, 0.99), weight_decay=3e-4)))
# Adam's rate is fixed (Section 4.1).
param_scheduler = dict(
    weights=[
        dict(type='CosineAnnealingLR', T_max=100, by_epoch=True, convert_to_iter_based=True),
    ],
    evaluation=[])
