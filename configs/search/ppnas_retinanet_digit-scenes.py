# PP-NAS inside a RetinaNet, on digit scenes: the search on the downstream task itself.
_base_ = '../detection/retinanet_pp-resnet_digit-scenes.py'
__detector = _base_.pop('model')
__detector.backbone = dict(
    type='ppnas_mm.PPConvSuperNet', macro='cifar', depth=20, stem_channels=16, base_channels=16,
    strides=(2, 2, 2), out_indices=(1, 2))
model = dict(type='ppnas_mm.PPNAS', model=__detector)
# The paper's Adam learning rate, 1e-3, moves alpha too slowly for 400 steps: 3e-2 here.
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor', weights=_base_.pop('optim_wrapper'),
    arch=dict(optimizer=dict(type='Adam', lr=3e-2, betas=(0.9, 0.999))))
param_scheduler = dict(arch=[], weights=_base_.pop('param_scheduler'))
train_cfg = dict(val_interval=8)
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=50))
