# Ablation (CDARTS, Table 7): without the logits as a level.
_base_ = './cdarts_digits.py'
model = dict(distillation=dict(levels=(0, 1)))
