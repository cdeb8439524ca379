# PP-NAS on CIFAR-10 as in the paper, Section IV-A: PP-ResNet-110, 300 epochs.
# The authors' code has nesterov=True and clip_grad=dict(max_norm=5) on the weights.
_base_ = ['../_base_/search/one_level.py', '../_base_/datasets/cifar10_augmented.py']
model = dict(
    # The paper sums the losses over connections; the authors' code takes means: reduction='mean'.
    reduction='sum',
    l2_weight=5e-4,
    model=dict(
        # The paper's base_width is 26; the authors' search script has 24.
        backbone=dict(depth=110, base_width=26),
        head=dict(in_channels=1024)))
