# SE-NAS in the NAS-Bench-201 space on CIFAR-10, one GPU: two shrinkings of 10 of the 30 operations
# after 20 epochs each, batch 256, 5,000 images held out, as in the paper (Section 4.3, Fig. 7:
# "decouples supernet parameters at 20-th epoch and 40-th epoch"). It does not say whether training
# goes on after the second: here for 20 epochs, without which the copies would be equal. Rate, decay
# and schedule are not stated either: here SE-NAS' on
# ImageNet, the rate less for the smaller batch.
_base_ = ['../_base_/search/one_shot.py', '../_base_/datasets/cifar10.py']
model = dict(
    model=dict(
        backbone=dict(
            type='ppnas_mm.NASBench201SuperNet', init_channels=16, cells_per_stage=5),
        head=dict(in_channels=64)),
    first_epochs=20,
    stage_epochs=20,
    drop=10,
    max_stages=2,
    threshold=50,
    models_per_op=1000)
train_dataloader = dict(batch_size=256)
param_scheduler = dict(
    weights=[
        dict(
            type='LinearLR', start_factor=1.0, end_factor=0.0, end=60, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=60)
