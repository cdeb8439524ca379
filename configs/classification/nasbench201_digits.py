# One cell of NAS-Bench-201 on digits, small enough to train many of them.
_base_ = './cdarts-net_digits.py'
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
# so short that cells differ: after 20 epochs nearly every one is at 98 to 99 %
param_scheduler = dict(T_max=5)
train_cfg = dict(max_epochs=5, val_interval=5)
