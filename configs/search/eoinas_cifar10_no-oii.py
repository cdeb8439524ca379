# Ablation (EoiNAS, Table III, second row): slimming by the Markov chain, driven by beta alone.
_base_ = './eoinas_cifar10.py'
model = dict(indicator=dict(kind='beta'))
