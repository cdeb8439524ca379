# Retraining of CDARTS on ImageNet (Section 4.4): 250 epochs, batch 1024, 5 epochs of warm-up,
# cosine to 0; clip as DARTS. Authors: the rate is set once per epoch, and the cosine spans all 250.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.5, momentum=0.9, weight_decay=3e-5),
    clip_grad=dict(max_norm=5))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, begin=0, end=5, by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=245, begin=5, end=250, by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=250, val_interval=5)
# with another number of GPUs: auto_scale_lr.enable=True
auto_scale_lr = dict(enable=False, base_batch_size=1024)
