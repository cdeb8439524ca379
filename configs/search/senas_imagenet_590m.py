# SE-NAS-D: as senas_imagenet_470m.py, at about 590 M multiply-adds and with three further operations,
# of two groups. The paper says no more of them; here they are the blocks of expansion 6. From 204
# operations to a million architectures it takes 17 shrinkings.
_base_ = './senas_imagenet_470m.py'
model = dict(
    model=dict(
        backbone=dict(
            ops=(
                'mbconv_3x3_e3', 'mbconv_3x3_e6', 'mbconv_5x5_e3', 'mbconv_5x5_e6', 'mbconv_7x7_e3',
                'mbconv_7x7_e6', 'identity', 'mbconv_3x3_e6_g2', 'mbconv_5x5_e6_g2',
                'mbconv_7x7_e6_g2'))),
    limits=dict(flops=(580e6, 595e6)))
param_scheduler = dict(
    weights=[
        dict(
            type='LinearLR', start_factor=1.0, end_factor=0.0, end=185, by_epoch=True,
            convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=185)
