# Ablation of EoiNAS: the indicator without slimming, what Table III leaves out.
_base_ = './eoinas_digits.py'
model = dict(slimming=False)
