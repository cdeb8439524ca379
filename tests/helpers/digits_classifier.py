"""A finished config: a small classifier of mmpretrain on digits, as a user would write it."""

from tool import ROOT


def finished_config(width: int, epochs: int) -> str:
    """Return its text; the network has ``width`` channels in its first stage."""
    return f"""_base_ = '{ROOT}/configs/_base_/datasets/digits.py'
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet_CIFAR', depth=18, stem_channels={width}, base_channels={width}),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=10, in_channels={8 * width}, topk=(1,),
        loss=dict(type='CrossEntropyLoss')))
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
train_cfg = dict(by_epoch=True, max_epochs={epochs}, val_interval={epochs})
val_cfg = test_cfg = dict()
"""
