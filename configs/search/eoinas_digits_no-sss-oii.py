# Ablation (EoiNAS, Table III, first row): without slimming and without the indicator.
_base_ = './eoinas_digits.py'
model = dict(slimming=False, indicator=dict(kind='beta'))
