# PP-NAS on your own images. They are in folders of the form
#     <data_root>/train/<class>/*.jpg     <data_root>/val/<class>/*.jpg     (or .png and so on)
# Set the two lines below, then: python tools/search.py configs/search/ppnas_imagefolder.py
# The same from the command line, where the number of classes follows from the folders in train:
#     --cfg-options data_root=D
_base_ = ['../_base_/search/one_level.py', '../_base_/datasets/imagefolder.py']
data_root = 'data/images'
num_classes = 10

data_preprocessor = dict(num_classes=num_classes)
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = test_dataloader = dict(dataset=dict(data_root=data_root))
model = dict(
    model=dict(
        # Half of the paper's width, which is stem_channels=64, base_channels=64, in_channels=2048.
        backbone=dict(macro='imagenet', depth=50, stem_channels=32, base_channels=32),
        head=dict(num_classes=num_classes, in_channels=1024)))
# A step moves alpha by at most the learning rate of arch, and a connection is decided near 6: keep
# (iterations of the search) x (this rate) above 10. The paper has 1e-3 and over 100,000 iterations.
optim_wrapper = dict(weights=dict(optimizer=dict(lr=0.025)), arch=dict(optimizer=dict(lr=5e-3)))
param_scheduler = dict(
    weights=[dict(type='CosineAnnealingLR', T_max=100, by_epoch=True, convert_to_iter_based=True)])
train_cfg = dict(max_epochs=100, val_interval=5)
default_hooks = dict(class_number=dict(type='ClassNumCheckHook'))
del data_root, num_classes  # so that --cfg-options cannot change them to no effect
