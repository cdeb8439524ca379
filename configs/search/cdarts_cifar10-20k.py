# CDARTS on 20,000 CIFAR-10 images, small enough for half an hour on two CPU cores: fewer cells,
# half the width, few cycles, and so a larger architecture learning rate.
_base_ = './cdarts_cifar10.py'
model = dict(
    model=dict(backbone=dict(num_cells=4, init_channels=8), head=dict(in_channels=128)),
    evaluation=dict(num_cells=6),
    l1_epochs=4,
    warmup_epochs=1)
train_dataloader = dict(
    batch_size=96, num_workers=0, dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2))
val_dataloader = dict(num_workers=0, dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2))
test_dataloader = val_dataloader
optim_wrapper = dict(arch=dict(optimizer=dict(lr=3e-3)))
train_cfg = dict(max_epochs=13, val_interval=13)
