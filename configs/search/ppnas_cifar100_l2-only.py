# Ablation (PP-NAS, Table VIII): cross entropy and L2 only: no connection passes 0.9 and the
# derivation fails.
_base_ = './ppnas_cifar100.py'
model = dict(zero_one_weight=0, connection_weight=0)
