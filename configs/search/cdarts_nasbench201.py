# CDARTS in the NAS-Bench-201 space on CIFAR-10 with the values of the authors' script. Their L1
# holds down `none`, the first operation, where they mean the skip; here it is the skip.
_base_ = './cdarts_cifar10.py'
model = dict(
    model=dict(
        backbone=dict(
            _delete_=True, type='ppnas_mm.NASBench201SuperNet', init_channels=16,
            cells_per_stage=5, last_act=False),
        head=dict(in_channels=64)),
    evaluation=dict(_delete_=True, norm_cfg=dict(type='BN')),
    distillation=dict(freeze_heads=False),
    l1_epochs=33,
    l1_ops=('skip_connect', ),
    warmup_epochs=0)
train_cfg = dict(max_epochs=100)
