# Random search in the mobile space (Table 4: 472 M +- 6 M multiply-adds): an architecture within the
# limits, without a search; one epoch, then --retrain.
_base_ = './senas_imagenet_470m.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.RandomSearch',
    model={{_base_.model.model}},
    limits=dict(flops=(460e6, 480e6), input_shape=(3, 224, 224)))
# the architecture does not change, whatever its optimizer
optim_wrapper = dict(arch=dict(optimizer=dict(type='SGD', lr=0.1)))
param_scheduler = None
train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=1, val_interval=1)
model_wrapper_cfg = None
