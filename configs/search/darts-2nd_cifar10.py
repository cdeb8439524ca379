# Second-order DARTS on CIFAR-10: one step of the weights ahead, as in its paper.
_base_ = './darts_cifar10.py'
model = dict(order=2)
