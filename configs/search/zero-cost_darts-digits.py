# The best of 150 random cells of the DARTS space by NASWOT, or with model.score by another score of
# untrained networks. Nothing is trained.
_base_ = './cdarts_digits.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.ZeroCostSearch',
    model={{_base_.model.model}},
    input_shape=(3, 16, 16))
_base_.optim_wrapper.pop('evaluation')
param_scheduler = None
train_cfg = dict(_delete_=True, type='ppnas_mm.ChooseLoop')
