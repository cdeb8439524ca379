# Ablation (EoiNAS, Table III, first row): without slimming and without the indicator (GDAS with
# EoiNAS's schedule).
_base_ = './eoinas_cifar10.py'
model = dict(slimming=False, indicator=dict(kind='beta'))
