# CDARTS on 10 % + 10 % of ImageNet with the values of the authors' scripts (8 GPUs x 128 images):
#     torchrun --nproc-per-node 8 tools/search.py configs/search/cdarts_imagenet.py \
#         --launcher pytorch
# The authors draw other 20 % of the steps each epoch, from halves that are classes 0 to 499 and 500
# to 999; here the two tenths are fixed and class-balanced, as the paper says.
_base_ = ['../_base_/search/cyclic.py', '../_base_/datasets/imagenet_jitter.py']
model = dict(
    model=dict(
        backbone=dict(combine='mean', variant='imagenet', num_cells=8, init_channels=16),
        head=dict(num_classes=1000, in_channels=256, topk=(1, 5))),
    evaluation=dict(num_cells=14),
    classes=1000,
    pools=(6, 5),
    distillation=dict(loss='kl_mean'),
    l1_weight=5.0,
    l1_epochs=15,
    l1_ops=('max_pool_3x3', 'avg_pool_3x3', 'skip_connect'),
    warmup_epochs=10,
    separate_epochs=3)
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=0.8, weight_decay=1e-5)),
    evaluation=dict(optimizer=dict(lr=0.8, weight_decay=1e-5)),
    arch=dict(optimizer=dict(weight_decay=1e-5)))
# The authors build these schedules, but never step them: param_scheduler=None is as their code runs.
__cosine = [dict(type='CosineAnnealingLR', T_max=130, by_epoch=True, convert_to_iter_based=True)]
param_scheduler = dict(weights=__cosine, evaluation=__cosine, arch=[])
# 10 epochs of warm-up, then 30 cycles of three epochs of the evaluation network and a joint one
train_cfg = dict(max_epochs=130, val_interval=10, fraction=0.2)
