# CDARTS-a, a chain of mobile blocks, as CDARTS published it.
# 24, 40, 96 and 960 channels at strides 4, 8, 16 and 32.
# ImageNet weights of your own: model.backbone.init_cfg=dict(type='Pretrained', checkpoint=FILE)
__backbone = dict(type='ppnas_mm.ChainNet', arch='cdarts_a')
network = dict(
    detector=dict(
        backbone=dict(**__backbone, out_indices=(0, 1, 2, 3), frozen_stages=-1, norm_eval=False),
        neck=dict(in_channels=[24, 40, 96, 960])),
    segmentor=dict(
        backbone=__backbone, decode_head=dict(in_channels=960, c1_in_channels=24)))
