# Random search on CIFAR-10 as in the paper, Section IV-B: a drawn architecture that uses all input
# groups ("constrained"), trained as the standard networks are. As those that the authors drew, a stage
# has one identity and three 3x3 convolutions, so all have the size of the found network (18.49 M);
# operations='free' draws them, too. The derived network is the trained one. The architectures that
# the authors drew: configs/classification/pp-resnet110_cifar10.py with --genotype
# pp_resnet_random_full1, ..._full2, ..._constrained1 or ..._constrained2.
# The architecture does not change, whatever the optimizer of arch. The authors' code has
# nesterov=True on the weights.
_base_ = ['../_base_/search/one_level.py', '../_base_/datasets/cifar10.py']
model = dict(
    type='ppnas_mm.RandomSearch',
    constrained=True,
    model=dict(
        backbone=dict(depth=110, base_width=26),
        head=dict(in_channels=1024)))
param_scheduler = dict(
    weights=[dict(type='CosineAnnealingLR', T_max=200, by_epoch=True, convert_to_iter_based=True)])
train_cfg = dict(max_epochs=200)
default_hooks = dict(search=dict(_delete_=True, type='ppnas_mm.SearchHook'))
