# Trains what configs/search/ppnas_imagefolder.py found on your own images, at the same size.
# Set the two lines below as there, then: python tools/train.py \
#     configs/classification/pp-resnet50_imagefolder.py \
#     --genotype work_dirs/ppnas_imagefolder/genotype.json
# The same from the command line, where the number of classes follows from the folders in train:
#     --cfg-options data_root=D
_base_ = ['../_base_/runtime.py', '../_base_/datasets/imagefolder.py']
data_root = 'data/images'
num_classes = 10

data_preprocessor = dict(num_classes=num_classes)
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = test_dataloader = dict(dataset=dict(data_root=data_root))
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ppnas_mm.PPResNet', depth=50, arch='pp_resnet_imagenet', stem_channels=32,
        base_channels=32),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=num_classes, in_channels=1024, topk=(1, ),
        loss=dict(type='CrossEntropyLoss')))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=5e-4))
param_scheduler = dict(
    type='CosineAnnealingLR', T_max=100, by_epoch=True, convert_to_iter_based=True)
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=5)
default_hooks = dict(class_number=dict(type='ClassNumCheckHook'))
del data_root, num_classes  # so that --cfg-options cannot change them to no effect
