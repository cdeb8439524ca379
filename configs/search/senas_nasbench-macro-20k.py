# SE-NAS in the space of NAS-Bench-Macro on 20,000 CIFAR-10 images of 16 x 16, see
# gdas_nasbench-macro-20k.py: one shrinking drops 4 of the 24 operations.
_base_ = ['../_base_/search/one_shot.py', '../_base_/datasets/cifar10-20k_16.py']
model = dict(
    model=dict(
        backbone=dict(
            type='ppnas_mm.NASBenchMacroSuperNet',
            width=0.25,
            last_channels=None),
        head=dict(in_channels=64)),
    # paths differ by less than the error of their accuracy on 1,280 images
    accuracy='loss',
    first_epochs=45,
    stage_epochs=15,
    drop=4,
    max_stages=1,
    threshold=50,
    models_per_op=20,
    scoring_recalibrate_batches=4,
    recalibrate_batches=10,
    eval_batches=10,
    selection=dict(population=20, generations=8, crossover=10, mutation=10))
param_scheduler = dict(
    weights=[
        dict(
            type='LinearLR', start_factor=1.0, end_factor=0.25, end=60, by_epoch=True,
            convert_to_iter_based=True),
    ])
# 2,000 images are held out
train_dataloader = dict(batch_size=128)
train_cfg = dict(max_epochs=60, val_interval=60, val_pipeline=None)
