# PP-ResNet-50 at output stride 16: the blocks of the last stage have dilations 1, 4, 8.
_base_ = './pp-resnet50.py'
network = dict(
    segmentor=dict(
        backbone=dict(
            out_indices=(0, 1, 2, 3),
            strides=(1, 2, 2, 1),
            dilations=(1, 1, 1, 2),
            contract_dilation=True,
            multi_grid=(1, 2, 4),
            norm_eval=False),
        decode_head=dict(dilations=(1, 6, 12, 18))))
