# Ablation of EoiNAS: the indicator without slimming, what Table III leaves out.
_base_ = './eoinas_cifar10.py'
model = dict(slimming=False)
