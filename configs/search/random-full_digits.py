# Random search, "full": the drawn architecture may drop input groups (Section IV-B).
_base_ = './ppnas_digits.py'
model = dict(type='ppnas_mm.RandomSearch', constrained=False)
custom_hooks = [dict(type='ppnas_mm.EpochSeedHook'), dict(type='ppnas_mm.SearchHook')]
