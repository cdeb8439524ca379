# PP-NAS on ImageNet-1k as in the paper, Section IV-C: PP-ResNet-50, 120 epochs on all training
# images. The batch of 1024 is 8 GPUs x 128 images:
#     torchrun --nproc-per-node 8 tools/search.py configs/search/ppnas_imagenet.py \
#         --launcher pytorch
_base_ = ['../_base_/search/one_level.py', '../_base_/datasets/imagenet.py']
model = dict(
    # The paper sums the losses over connections; the authors' code takes means: reduction='mean'.
    reduction='sum',
    # As on CIFAR, the weight of L2 is the decay of the weights; Section IV-C does not repeat it.
    l2_weight=1e-4,
    model=dict(
        backbone=dict(macro='imagenet', depth=50, base_width=26),
        head=dict(
            num_classes=1000, in_channels=2048, topk=(1, 5),
            loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, num_classes=1000))))
# The authors published no script of this search. On the weights, their CIFAR search has
# nesterov=True and clip_grad=dict(max_norm=5), their ImageNet training nesterov=True and a warm-up
# from 0.1 rather than from 0.
optim_wrapper = dict(weights=dict(optimizer=dict(lr=0.4, weight_decay=1e-4)))
param_scheduler = dict(
    weights=[
        dict(
            type='LinearLR', start_factor=1e-6, begin=0, end=5, by_epoch=True,
            convert_to_iter_based=True),
        dict(
            type='CosineAnnealingLR', T_max=115, begin=5, end=120, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=120, val_interval=5)
