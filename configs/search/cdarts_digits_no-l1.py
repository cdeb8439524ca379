# Ablation (CDARTS, Table 7): without eq. 11.
_base_ = './cdarts_digits.py'
model = dict(l1_weight=0.0)
