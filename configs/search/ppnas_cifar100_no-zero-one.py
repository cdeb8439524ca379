# Ablation (PP-NAS, Table VIII): without the zero-one loss: no connection passes 0.9 and the
# derivation fails.
_base_ = './ppnas_cifar100.py'
model = dict(zero_one_weight=0)
