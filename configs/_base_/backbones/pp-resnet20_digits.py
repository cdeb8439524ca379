# The PP-ResNet-20 that `make search` finds on digits, at a quarter of the paper's width, with its
# weights.
# 64, 128 and 256 channels at strides 2, 4 and 8; detectors take the last two.
__backbone = dict(
    type='ppnas_mm.PPResNetCIFAR',
    depth=20,
    arch='{{fileDirname}}/../../../model_zoo/pp-resnet20_digits/genotype.json',
    stem_channels=16,
    base_channels=16,
    strides=(2, 2, 2),
    init_cfg=dict(
        type='Pretrained',
        checkpoint='{{fileDirname}}/../../../model_zoo/pp-resnet20_digits/derived.safetensors'))
network = dict(
    detector=dict(
        backbone=dict(**__backbone, out_indices=(1, 2)), neck=dict(in_channels=[128, 256])),
    segmentor=dict(backbone=__backbone, decode_head=dict(in_channels=256, c1_in_channels=64)))
