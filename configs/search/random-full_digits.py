# Random search, "full": the drawn architecture may drop input groups (Section IV-B).
_base_ = './ppnas_digits.py'
model = dict(type='ppnas_mm.RandomSearch', constrained=False)
default_hooks = dict(search=dict(recalibrate_batches=0))
