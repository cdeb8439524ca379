# The best of 150 random networks of NAS-Bench-Macro by a score of untrained networks: NASWOT, or with
# model.score another. Nothing is trained; a quarter of the width, 64 CIFAR-10 images of 16 x 16.
_base_ = './gdas_nasbench-macro-20k.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.ZeroCostSearch',
    model={{_base_.model.model}},
    score='naswot',
    input_shape=(3, 16, 16))
_base_.optim_wrapper.pop('arch')
param_scheduler = None
train_cfg = dict(_delete_=True, type='ppnas_mm.ChooseLoop')
