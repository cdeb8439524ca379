# 20,000 images of CIFAR-10: crop and flip, batches of 64.
_base_ = './cifar10.py'
train_dataloader = dict(
    batch_size=64, num_workers=0, dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2))
val_dataloader = test_dataloader = dict(
    num_workers=0, dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2))
