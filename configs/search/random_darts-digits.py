# A random cell of the DARTS space on digits, without a search: one epoch, then --retrain.
_base_ = './cdarts_digits.py'
model = dict(_delete_=True, type='ppnas_mm.RandomSearch', model={{_base_.model.model}})
_base_.optim_wrapper.pop('evaluation')
train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=1, val_interval=1)
model_wrapper_cfg = None
