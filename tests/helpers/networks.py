"""Small networks of the installed libraries, in which blocks are plugged."""

from typing import Any, NamedTuple


class LibraryNetwork(NamedTuple):
    """Config of a backbone, and the convolutions to replace; ``None``: the usual ones."""

    config: dict[str, Any]
    where: str | None = None


def _branches(*channels: int) -> dict[str, Any]:
    count = len(channels)
    return dict(num_modules=1, num_branches=count, block='BASIC', num_blocks=(1,) * count,
                num_channels=channels)  # fmt: skip


HRNET = dict(
    stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(1,),
                num_channels=(16,)),
    stage2=_branches(8, 16), stage3=_branches(8, 16, 32), stage4=_branches(8, 16, 32, 64),
)  # fmt: skip
REGNET = dict(w0=24, wa=36.44, wm=2.49, group_w=8, depth=13, bot_mul=1)
LIBRARY_NETWORKS = {
    'ResNet': LibraryNetwork(dict(type='mmdet.ResNet', depth=50, base_channels=8, stem_channels=8)),
    'ResNet-mmseg': LibraryNetwork(
        dict(type='mmseg.ResNetV1c', depth=18, base_channels=8, stem_channels=8,
             strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4))
    ),
    'ResNet-CIFAR': LibraryNetwork(
        dict(type='mmpretrain.ResNet_CIFAR', depth=18, stem_channels=8, base_channels=8)
    ),
    'ResNeXt': LibraryNetwork(
        dict(type='mmdet.ResNeXt', depth=50, groups=4, base_width=4, base_channels=16),
        r'layer\d\..*conv2',
    ),
    'RegNet': LibraryNetwork(
        dict(type='mmdet.RegNet', arch=REGNET),
        r'layer\d\..*conv2',
    ),
    'HRNet': LibraryNetwork(dict(type='mmdet.HRNet', extra=HRNET)),
    'MobileNetV2': LibraryNetwork(
        dict(type='mmdet.MobileNetV2', widen_factor=0.25), r'.*depthwise_conv\.conv'
    ),
    'CSPDarknet': LibraryNetwork(
        dict(type='mmdet.CSPDarknet', deepen_factor=0.33, widen_factor=0.125)
    ),
    'VGG': LibraryNetwork(dict(type='mmpretrain.VGG', depth=11, out_indices=(1, 2, 3, 4))),
}  # fmt: skip
