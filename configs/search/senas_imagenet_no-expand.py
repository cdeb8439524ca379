# Ablation (SE-NAS, Table 6, third row): shrinking by importance and confidence, without expansion.
_base_ = './senas_imagenet_470m.py'
model = dict(threshold=None)
