# The best of 150 random networks of MBConv blocks within the limits of senas_digits.py by NASWOT, or
# with model.score by another score of untrained networks. Nothing is trained.
_base_ = './senas_digits.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.ZeroCostSearch',
    model={{_base_.model.model}},
    limits={{_base_.model.limits}},
    input_shape=(3, 16, 16))
param_scheduler = None
train_cfg = dict(_delete_=True, type='ppnas_mm.ChooseLoop')
