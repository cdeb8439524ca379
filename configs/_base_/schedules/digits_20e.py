# A short version of the paper's CIFAR schedule, for 1,437 images.
_base_ = './cifar_200e.py'
param_scheduler = dict(T_max=20)
train_cfg = dict(max_epochs=20, val_interval=20)
