# Retraining of EoiNAS on ImageNet (Section IV-D): 250 epochs, batch 128 on one GPU, rate 0.1. How
# the rate falls is not stated: by 3 % an epoch in the authors' code, which also clips to 5.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=3e-5),
    clip_grad=dict(max_norm=5))
param_scheduler = dict(type='ExponentialLR', gamma=0.97, by_epoch=True)
train_cfg = dict(by_epoch=True, max_epochs=250, val_interval=5)
# with several GPUs: auto_scale_lr.enable=True
auto_scale_lr = dict(enable=False, base_batch_size=128)
