# The best of 150 random networks of NAS-Bench-Macro by a score of untrained networks: NASWOT, or with
# model.score another. Nothing is trained; a quarter of the width, 64 CIFAR-10 images of 16 x 16.
_base_ = ['../_base_/search/one_shot.py', '../_base_/datasets/cifar10-20k_16.py']
model = dict(
    type='ppnas_mm.ZeroCostSearch',
    model=dict(
        backbone=dict(
            type='ppnas_mm.NASBenchMacroSuperNet',
            width=0.25,
            last_channels=None),
        head=dict(in_channels=64)),
    score='naswot',
    input_shape=(3, 16, 16))
train_dataloader = dict(batch_size=128)
param_scheduler = None
train_cfg = dict(_delete_=True, type='ppnas_mm.ChooseLoop')
