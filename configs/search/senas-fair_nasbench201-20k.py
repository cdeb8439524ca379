# SE-NAS with fair sampling from the super-net of spos_nasbench201-20k.py: each of four shrinkings drops
# the operation of lowest rank on every edge; the rate stays the same.
_base_ = './senas_nasbench201-20k.py'
model = dict(
    importance='rank',
    sampler='fair',
    drop='each',
    first_epochs=8,
    stage_epochs=4,
    max_stages=4,
    threshold=None)
optim_wrapper = dict(weights=dict(optimizer=dict(lr=0.02)))
param_scheduler = dict(
    weights=[
        dict(
            type='LinearLR', start_factor=1.0, end_factor=1.0, end=21, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=21, val_interval=21)
load_from = 'work_dirs/spos_nasbench201-20k/epoch_75.pth'
