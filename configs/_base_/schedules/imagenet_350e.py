# CDARTS, Section 4.6: batch 1024, RMSProp (momentum 0.9, decay 0.9), 3 epochs of warm-up, cosine.
# The paper does not say its epsilon: 1e-3, as is usual where RMSProp trains such networks.
_base_ = './imagenet_120e.py'
optim_wrapper = dict(
    optimizer=dict(type='RMSprop', lr=0.04, alpha=0.9, eps=1e-3, weight_decay=1e-5))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, begin=0, end=3, by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=347, begin=3, end=350, by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=350)
