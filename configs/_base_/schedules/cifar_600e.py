# The paper's augmented retraining on CIFAR, Section IV-A: 600 epochs, batch 128, cosine to 0.
# Only in the authors' code: optim_wrapper.optimizer.nesterov=True
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=5e-4))
param_scheduler = dict(
    type='CosineAnnealingLR', T_max=600, by_epoch=True, convert_to_iter_based=True)
train_cfg = dict(by_epoch=True, max_epochs=600, val_interval=5)
