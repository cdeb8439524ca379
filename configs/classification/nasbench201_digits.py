# One cell of NAS-Bench-201 on 300 digits, small enough to train many of them.
_base_ = './cdarts_digits.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ppnas_mm.NASBench201Net',
        arch=dict(
            schema=1, space='nasbench201',
            cells=[dict(name='cell', inputs=1, nodes=[
                [dict(op='nor_conv_3x3', sources=[i]) for i in range(node)] for node in (1, 2, 3)
            ])]),
        cells_per_stage=1,
        init_channels=8),
    head=dict(in_channels=32))
# 300 images, so that cells differ: with all 1,437 nearly every one reaches 98 %
train_dataloader = dict(batch_size=32, dataset=dict(indices=300))
param_scheduler = dict(T_max=30)
train_cfg = dict(max_epochs=30, val_interval=30)
