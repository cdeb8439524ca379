# SE-NAS-E: SE-NAS in the DARTS space on CIFAR-10, one GPU; its cells are retrained on ImageNet
# (configs/classification/pdarts_8xb128_in1k.py --genotype FILE). The paper: stages of 200 and 5
# epochs, 10 operations a time, 5,000 images held out, four normal cells in each of three stages. Not
# stated: when it stops (here at a million architectures of operations, 15 times), how two edges a
# node come about (here each path has two, drawn uniformly), batch, optimizer and width: DARTS'.
_base_ = ['../_base_/runtime.py', '../_base_/datasets/cifar10.py']
model = dict(
    type='ppnas_mm.SENAS',
    model=dict(
        type='ImageClassifier',
        backbone=dict(
            type='ppnas_mm.DARTSSuperNet', combine='sum', pool_norm=True, num_cells=14,
            init_channels=16),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(
            type='LinearClsHead', num_classes=10, in_channels=256, topk=(1, ),
            loss=dict(type='CrossEntropyLoss'))),
    first_epochs=200,
    stage_epochs=5,
    drop=10,
    finish_size=1000000,
    threshold=50,
    models_per_op=1000)
# the statistics of DARTS' authors
data_preprocessor = dict(std=[62.985, 62.0925, 66.705])
train_dataloader = dict(batch_size=64)
optim_wrapper = dict(
    constructor='ppnas_mm.SearchOptimConstructor',
    weights=dict(
        optimizer=dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=3e-4),
        clip_grad=dict(max_norm=5)))
param_scheduler = dict(
    weights=[
        dict(
            type='CosineAnnealingLR', T_max=275, eta_min=1e-3, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(
    type='ppnas_mm.SearchLoop', max_epochs=275, val_interval=10, val_share=0.1,
    val_pipeline=[dict(type='PackInputs')])
model_wrapper_cfg = dict(type='ppnas_mm.Replicas')
default_hooks = dict(search=dict(type='ppnas_mm.SearchHook', recalibrate_batches=100))
