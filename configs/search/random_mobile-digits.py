# A random architecture within the limits of senas_digits.py, without a search: one epoch, then
# --retrain.
_base_ = './senas_digits.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.RandomSearch',
    model={{_base_.model.model}},
    limits={{_base_.model.limits}})
# the architecture does not change, whatever its optimizer
optim_wrapper = dict(arch=dict(optimizer=dict(type='SGD', lr=0.1)))
param_scheduler = None
train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=1, val_interval=1)
model_wrapper_cfg = None
