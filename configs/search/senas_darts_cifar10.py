# SE-NAS-E: SE-NAS in the DARTS space on CIFAR-10, one GPU; its cells are retrained on ImageNet
# (configs/classification/pdarts_8xb128_in1k.py --genotype FILE). The paper: stages of 200 and 5
# epochs, 10 operations a time, 5,000 images held out, four normal cells in each of three stages. Not
# stated: when it stops (here at a million architectures of operations, 15 times), how two edges a
# node come about (here each path has two, drawn uniformly), batch, optimizer and width: DARTS'.
_base_ = ['../_base_/search/one_shot.py', '../_base_/datasets/cifar10_darts.py']
model = dict(
    model=dict(
        backbone=dict(
            type='ppnas_mm.DARTSSuperNet', combine='sum', pool_norm=True, num_cells=14,
            init_channels=16),
        head=dict(in_channels=256)),
    first_epochs=200,
    stage_epochs=5,
    drop=10,
    finish_size=1000000,
    threshold=50,
    models_per_op=1000)
optim_wrapper = dict(weights=dict(optimizer=dict(lr=0.025, weight_decay=3e-4)))
param_scheduler = dict(
    weights=[
        dict(
            type='CosineAnnealingLR', T_max=275, eta_min=1e-3, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=275)
