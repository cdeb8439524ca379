# SE-NAS on handwritten digits: a demonstration of a few minutes on two CPU cores, in the
# MobileNet-like space with 11 of its 21 layers at a quarter of their width and 4 of its 7 operations:
# with all of them the super-net hardly learns in so few steps (docs/results/digits.md). The paper's stages
# of 100 and 5 epochs are 40 and 6 here, its 1,000 models an operation 20.
_base_ = ['../_base_/search/one_shot.py', '../_base_/datasets/digits.py']
model = dict(
    model=dict(
        backbone=dict(
            type='ppnas_mm.MobileSuperNet', variant='cifar', strides=(1, 2, 2, 1, 1, 1),
            width=0.25, depths=(2, 2, 2, 2, 2, 1), last_channels=128,
            ops=('mbconv_3x3_e3', 'mbconv_3x3_e6', 'mbconv_5x5_e3', 'identity')),
        head=dict(in_channels=128)),
    limits=dict(flops=(None, 3e6), input_shape=(3, 16, 16)),
    first_epochs=40,
    stage_epochs=6,
    drop=5,
    max_stages=4,
    models_per_op=20,
    recalibrate_batches=4,
    eval_batches=6,
    selection=dict(population=20, generations=8, crossover=10, mutation=10))
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(weights=dict(optimizer=dict(weight_decay=4e-5)))
param_scheduler = dict(
    weights=[
        dict(
            type='LinearLR', start_factor=1.0, end_factor=1e-3, end=64, by_epoch=True,
            convert_to_iter_based=True),
    ])
# a quarter of the training images trains no weights and is what architectures are evaluated on
train_cfg = dict(max_epochs=64, val_interval=64, val_share=0.25)
default_hooks = dict(search=dict(recalibrate_batches=20))
