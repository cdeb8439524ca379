# Ablation (PP-NAS, Table VIII): cross entropy only: in the paper the derivation fails.
_base_ = './ppnas_digits.py'
model = dict(zero_one_weight=0, connection_weight=0, l2_weight=0)
