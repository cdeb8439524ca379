# NASWOT in the NAS-Bench-201 space: the best of 150 random cells by a score of untrained networks of
# 8 channels and a cell a stage, on 64 CIFAR-10 images of 16 x 16. Nothing is trained.
_base_ = ['../_base_/search/one_shot.py', '../_base_/datasets/cifar10-20k_16.py']
model = dict(
    _delete_=True,
    type='ppnas_mm.ZeroCostSearch',
    model=dict(
        type='ImageClassifier',
        backbone=dict(type='ppnas_mm.NASBench201SuperNet', init_channels=8, cells_per_stage=1),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=32, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))),
    score='naswot')
param_scheduler = None
train_cfg = dict(_delete_=True, type='ppnas_mm.ChooseLoop')
