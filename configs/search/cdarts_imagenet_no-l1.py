# Ablation (CDARTS, Table 7): without eq. 11.
_base_ = './cdarts_imagenet.py'
model = dict(l1_weight=0.0)
