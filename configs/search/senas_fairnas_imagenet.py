# SE-NAS on FairNAS: each step trains every operation once, and each shrinking drops one of each layer
# (Section 4.3). After five the first layers of the stages have one operation left, the others two.
_base_ = './senas_imagenet_470m.py'
model = dict(sampler='fair', drop='each')
param_scheduler = dict(
    weights=[
        dict(
            type='LinearLR', start_factor=1.0, end_factor=0.0, end=125, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=125)
