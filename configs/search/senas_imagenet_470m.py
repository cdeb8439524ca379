# SE-NAS-C: SE-NAS on ImageNet in the mobile space at about 470 M multiply-adds, 8 GPUs x 128 images:
#     torchrun --nproc-per-node 8 tools/search.py configs/search/senas_imagenet_470m.py \
#         --launcher pytorch
# The paper (Section 4): the space, the 50,000 images held out, batch, optimizer and rate, stages of
# 100 and 5 epochs, 10 operations a time, 1,000 models an operation. It follows "the same training
# setting" as AngleNAS, whose code has label smoothing, the clip, and the end of the shrinking: at
# most a million architectures, here after ten times. Not stated: augmentation, when it stops,
# the snapshots, the selection (SPOS' evolution), and how models within the limits are drawn: here
# uniformly among those below the upper limit, more with an operation that is in few of them.
# model.eval_batches=10: a fifth of the time of the evaluations.
_base_ = ['../_base_/search/one_shot.py', '../_base_/datasets/imagenet.py']
model = dict(
    model=dict(
        backbone=dict(type='ppnas_mm.MobileSuperNet'),
        head=dict(
            num_classes=1000, in_channels=1728, topk=(1, 5),
            loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, num_classes=1000))),
    limits=dict(flops=(460e6, 475e6), input_shape=(3, 224, 224)),
    first_epochs=100,
    stage_epochs=5,
    drop=10,
    finish_size=1000000,
    threshold=50,
    models_per_op=1000)
optim_wrapper = dict(
    weights=dict(
        optimizer=dict(lr=0.5, weight_decay=4e-5),
        clip_grad=dict(_delete_=True, type='value', clip_value=5)))
train_cfg = dict(
    val_share=50000 / 1281167,
    val_pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='ResizeEdge', scale=256, edge='short'),
        dict(type='CenterCrop', crop_size=224),
        dict(type='PackInputs'),
    ])
