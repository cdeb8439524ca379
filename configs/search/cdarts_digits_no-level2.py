# Ablation (CDARTS, Table 7): without the features after the second reduction.
_base_ = './cdarts_digits.py'
model = dict(distillation=dict(levels=(0, 2)))
