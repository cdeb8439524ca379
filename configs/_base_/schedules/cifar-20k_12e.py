# Twelve epochs on the 20,000 images of CIFAR-10: half an hour of one CPU core for a small network.
_base_ = './cifar_200e.py'
param_scheduler = dict(T_max=12)
train_cfg = dict(max_epochs=12, val_interval=4)
