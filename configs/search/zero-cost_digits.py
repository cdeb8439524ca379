# The best of 150 random architectures of PP-ResNet by a score of untrained networks: NASWOT, or with
# model.score another. Nothing is trained. Operations are drawn freely: those with the authors' rules
# are all of one size.
_base_ = './ppnas_digits.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.ZeroCostSearch',
    model={{_base_.model.model}},
    operations='free',
    input_shape=(3, 16, 16))
param_scheduler = None
train_cfg = dict(_delete_=True, type='ppnas_mm.ChooseLoop')
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
