# DeepLabv3+ on digit scenes, from the backbone that `make search` finds: minutes on two CPU cores.
_base_ = [
    '../_base_/datasets/digit_scenes_masks.py', '../_base_/schedules/digit-scenes_12e.py',
    '../_base_/runtime.py'
]
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
# Nine of ten pixels are ground: without class weights, digits are found but not told apart for long.
optim_wrapper = dict(optimizer=dict(lr=0.3))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size=(160, 160),
        pad_val=0, seg_pad_val=255, test_cfg=dict(size=(160, 160))),
    backbone=dict(
        type='ppnas_mm.PPResNetCIFAR',
        depth=20,
        arch='{{fileDirname}}/../../model_zoo/pp-resnet20_digits/genotype.json',
        stem_channels=16,
        base_channels=16,
        strides=(2, 2, 2),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{fileDirname}}/../../model_zoo/pp-resnet20_digits/derived.safetensors')),
    decode_head=dict(
        type='ppnas_mm.DeepLabV3PlusHead',
        num_classes=11,
        in_channels=256,
        in_index=2,
        channels=64,
        dilations=(1, 2, 4, 6),
        c1_in_channels=64,
        c1_channels=16,
        dropout_ratio=0,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', class_weight=[1.0] + [5.0] * 10)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
