# Retraining of CDARTS on CIFAR (Section 4.3): 600 epochs, batch 128, cosine to 0; clip as DARTS.
# Authors: the rate is set once per epoch; for networks of less than 3.5 M parameters the weight
# decay is 3e-4, whatever the option says.
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(max_norm=5))
param_scheduler = dict(
    type='CosineAnnealingLR', T_max=600, by_epoch=True, convert_to_iter_based=True)
train_cfg = dict(by_epoch=True, max_epochs=600, val_interval=5)
