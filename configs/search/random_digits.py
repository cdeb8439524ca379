# Random search on handwritten digits, trained as long as ppnas_digits.py: a drawn architecture that
# uses all input groups (Section IV-B, "constrained"). The derived network is the trained one.
_base_ = './ppnas_digits.py'
model = dict(type='ppnas_mm.RandomSearch', constrained=True)
default_hooks = dict(search=dict(recalibrate_batches=0))
