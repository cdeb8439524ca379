# Random search, "full": the drawn architecture may drop input groups (Section IV-B).
_base_ = './random_digits.py'
model = dict(constrained=False)
