# Retraining of a cell of cdarts_cifar10-20k.py on the same 20,000 images, 20 epochs.
_base_ = [
    '../_base_/models/darts_digits.py', '../_base_/datasets/cifar10.py',
    '../_base_/schedules/digits_20e.py', '../_base_/runtime.py'
]
train_dataloader = dict(
    batch_size=96, num_workers=0, dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2))
val_dataloader = dict(num_workers=0, dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2))
test_dataloader = val_dataloader
