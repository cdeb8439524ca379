# Retraining of SE-NAS on ImageNet (Section 4.3), as its super-net is trained: 240 epochs, batch 1024,
# a rate that falls linearly, iteration by iteration, to 0. The clip is AngleNAS' code, whose training
# setting the paper follows; there norms and biases do not decay:
# optim_wrapper.paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0)
_base_ = './imagenet_120e.py'
optim_wrapper = dict(optimizer=dict(lr=0.5, weight_decay=4e-5), clip_grad=dict(max_norm=5))
param_scheduler = dict(
    _delete_=True, type='LinearLR', start_factor=1.0, end_factor=0.0, end=240, by_epoch=True,
    convert_to_iter_based=True)
train_cfg = dict(max_epochs=240)
