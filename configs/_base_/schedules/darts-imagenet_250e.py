# Retraining of CDARTS on ImageNet (Section 4.4): 250 epochs, batch 1024, 5 epochs of warm-up,
# cosine to 0; clip as DARTS. Authors: the rate is set once per epoch, and the cosine spans all 250.
_base_ = './imagenet_120e.py'
optim_wrapper = dict(optimizer=dict(lr=0.5, weight_decay=3e-5), clip_grad=dict(max_norm=5))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, begin=0, end=5, by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=245, begin=5, end=250, by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=250)
