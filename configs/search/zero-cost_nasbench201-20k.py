# The best of 150 random cells of NAS-Bench-201 by a score of untrained networks: NASWOT, or with
# model.score another. Nothing is trained; 8 channels, a cell a stage, 64 CIFAR-10 images of 16 x 16.
_base_ = './gdas_nasbench201-20k.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.ZeroCostSearch',
    model={{_base_.model.model}},
    score='naswot',
    input_shape=(3, 16, 16))
_base_.optim_wrapper.pop('arch')
param_scheduler = None
train_cfg = dict(_delete_=True, type='ppnas_mm.ChooseLoop')
