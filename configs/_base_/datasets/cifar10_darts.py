# CIFAR-10 as DARTS searches on it: crop and flip, the statistics of its authors, batches of 64.
_base_ = './cifar10.py'
data_preprocessor = dict(std=[62.985, 62.0925, 66.705])
train_dataloader = dict(batch_size=64)
