# GDAS in the NAS-Bench-201 space on CIFAR-10 as the benchmark's authors search it: 250 epochs,
# temperature 10 to 0.1, weight decay 5e-4, gradients of the weights clipped to 5.
_base_ = './eoinas_cifar10.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.GDAS',
    model=dict(
        type='ImageClassifier',
        backbone=dict(
            type='ppnas_mm.NASBench201SuperNet', init_channels=16, cells_per_stage=5),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=64, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))))
optim_wrapper = dict(
    weights=dict(
        optimizer=dict(weight_decay=5e-4, nesterov=True), clip_grad=dict(max_norm=5)))
train_cfg = dict(max_epochs=250, val_interval=25)
