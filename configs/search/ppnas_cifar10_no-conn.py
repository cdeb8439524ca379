# Ablation (PP-NAS, Table VIII): without the connection-existence loss: nodes or input groups may
# end unconnected, and the derivation then fails.
_base_ = './ppnas_cifar10.py'
model = dict(connection_weight=0)
