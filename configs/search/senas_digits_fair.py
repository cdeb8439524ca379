# SE-NAS on FairNAS: each step trains every operation once, each shrinking drops one of each layer.
_base_ = './senas_digits.py'
model = dict(sampler='fair', drop='each')
