# Ablation (CDARTS, Table 7): without distillation, alpha follows the cross-entropy alone.
_base_ = './cdarts_imagenet.py'
model = dict(distill_weight=0.0)
