# GDAS on CIFAR-10 in the setting of EoiNAS (8 cells, batch 64), with the schedule of its authors:
# 250 epochs, temperature 10 to 0.1, weight decay 5e-4. Their network has 6 cells, their batch is 256.
_base_ = './darts_cifar10.py'
model = dict(_delete_=True, type='ppnas_mm.GDAS', model={{_base_.model.model}})
optim_wrapper = dict(weights=dict(optimizer=dict(weight_decay=5e-4, nesterov=True)))
param_scheduler = dict(
    weights=[
        dict(
            type='CosineAnnealingLR', eta_min=1e-3, by_epoch=True, convert_to_iter_based=True),
    ])
train_cfg = dict(max_epochs=250, val_interval=25)
