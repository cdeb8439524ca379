# Ablation (CDARTS, Table 7): without the features after the first reduction.
_base_ = './cdarts_imagenet.py'
model = dict(distillation=dict(levels=(1, 2)))
