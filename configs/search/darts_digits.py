# First-order DARTS on handwritten digits: the baseline of cdarts_digits.py with its super-net, as
# many epochs on both halves as CDARTS has joint ones, and as long a warm-up.
_base_ = './cdarts_digits.py'
model = dict(
    _delete_=True, type='ppnas_mm.DARTS', model={{_base_.model.model}}, warmup_epochs=2)
_base_.optim_wrapper.pop('evaluation')
train_cfg = dict(max_epochs=14, val_interval=14)
