# SE-NAS in the NAS-Bench-201 space on 600 digits: the super-nets of tools/rank_study.py. Two
# shrinkings of 5 operations leave a space of about a thousand cells, 30 of which are trained from
# scratch. All cells are good here, so they are told apart by exp(-loss).
_base_ = './senas_digits.py'
model = dict(
    model=dict(
        backbone=dict(
            _delete_=True, type='ppnas_mm.NASBench201SuperNet', init_channels=8,
            cells_per_stage=1),
        head=dict(in_channels=32)),
    limits=None,
    accuracy='loss',
    first_epochs=60,
    stage_epochs=30,
    drop=5,
    max_stages=2,
    models_per_op=40,
    eval_batches=None,
    recalibrate_batches=9)
train_dataloader = dict(dataset=dict(indices=600))
param_scheduler = dict(weights=[dict(
    type='LinearLR', start_factor=1.0, end_factor=1e-3, end=120, by_epoch=True,
    convert_to_iter_based=True)])
train_cfg = dict(max_epochs=120, val_interval=120, val_share=0.5)
