# SE-NAS in the NAS-Bench-201 space on 20,000 CIFAR-10 images of 16 x 16, small enough for minutes on
# one CPU core: a cell a stage, half the width, few models. The rate ends at a quarter.
_base_ = ['../_base_/search/one_shot.py', '../_base_/datasets/cifar10-20k_16.py']
model = dict(
    model=dict(
        backbone=dict(
            type='ppnas_mm.NASBench201SuperNet', init_channels=8, cells_per_stage=1),
        head=dict(in_channels=32)),
    # paths differ by less than the error of their accuracy on 1,280 images
    accuracy='loss',
    first_epochs=45,
    stage_epochs=10,
    drop=8,
    max_stages=3,
    threshold=50,
    models_per_op=200,
    scoring_recalibrate_batches=4,
    recalibrate_batches=10,
    eval_batches=10,
    selection=dict(population=20, generations=8, crossover=10, mutation=10))
param_scheduler = dict(
    weights=[
        dict(
            type='LinearLR', start_factor=1.0, end_factor=0.25, end=75, by_epoch=True,
            convert_to_iter_based=True),
    ])
# 2,000 images are held out
train_cfg = dict(max_epochs=75, val_interval=75, val_pipeline=None)
