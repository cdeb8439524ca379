# CDARTS in the chain-structured space on 10 % + 10 % of ImageNet. The paper's own search in this
# space is not published; known are its weights' optimizer (Section 4.6.1: SGD, 0.5, linear
# annealing, decay 4e-5) and its networks. The limit is ours, around CDARTS-a (298 M multiply-adds);
# for CDARTS-b's size: --cfg-options "model.limits.flops=[380e6,395e6]". The rest is that of
# cdarts_imagenet.py.
_base_ = './cdarts_imagenet.py'
model = dict(
    model=dict(
        # seven candidates in each of 21 layers: recomputed in the backward pass to save memory
        backbone=dict(_delete_=True, type='ppnas_mm.ChainSuperNet', with_cp=True),
        head=dict(in_channels=960)),
    evaluation=dict(_delete_=True),
    pools=(6, 6, 6, 5),
    l1_weight=0.0,
    l1_ops=(),
    limits=dict(flops=(290e6, 300e6), input_shape=(3, 224, 224)))
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=0.5, weight_decay=4e-5)),
    evaluation=dict(optimizer=dict(lr=0.5, weight_decay=4e-5)))
__linear = [dict(type='LinearLR', start_factor=1.0, end_factor=1e-3, end=130, by_epoch=True)]
param_scheduler = dict(_delete_=True, weights=__linear, evaluation=__linear, arch=[])
