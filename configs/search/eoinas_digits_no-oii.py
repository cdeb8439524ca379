# Ablation (EoiNAS, Table III, second row): slimming by the Markov chain, driven by beta alone.
_base_ = './eoinas_digits.py'
model = dict(indicator=dict(kind='beta'))
