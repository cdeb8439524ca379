# Random search, "full": the drawn architecture may drop input groups (Section IV-B).
_base_ = './random_cifar100.py'
model = dict(constrained=False)
