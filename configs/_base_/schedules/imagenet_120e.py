# The paper's standard training on ImageNet, Section IV-C: batch 1024, 5 epochs of warm-up, cosine
# to 0. Only in the authors' code: optim_wrapper.optimizer.nesterov=True, and a warm-up from 0.1
# rather than from 0 (start_factor=0.25).
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.4, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, begin=0, end=5, by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=115, begin=5, end=120, by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=120, val_interval=5)
# with another number of GPUs: auto_scale_lr.enable=True
auto_scale_lr = dict(enable=False, base_batch_size=1024)
