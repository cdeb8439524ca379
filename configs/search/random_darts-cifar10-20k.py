# A random cell of the DARTS space beside cdarts_cifar10-20k.py, without a search; then --retrain.
_base_ = './cdarts_cifar10-20k.py'
model = dict(_delete_=True, type='ppnas_mm.RandomSearch', model={{_base_.model.model}})
_base_.optim_wrapper.pop('evaluation')
train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=1, val_interval=1)
model_wrapper_cfg = None
