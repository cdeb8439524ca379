# A cell of cdarts_cifar10-20k.py, trained on the same 20,000 images of 16 x 16 for 20 epochs.
_base_ = [
    '../_base_/models/darts-net_digits.py', '../_base_/datasets/cifar10-20k_16.py',
    '../_base_/schedules/digits_20e.py'
]
model = dict(backbone=dict(num_cells=3))
train_dataloader = dict(batch_size=96)
val_dataloader = test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='ppnas_mm.RGBFromFile'),
            dict(type='Resize', scale=16),
            dict(type='PackInputs'),
        ]))
