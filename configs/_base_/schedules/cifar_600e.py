# The paper's augmented retraining on CIFAR, Section IV-A: 600 epochs, batch 128, cosine to 0.
# Only in the authors' code: optim_wrapper.optimizer.nesterov=True
_base_ = './cifar_200e.py'
param_scheduler = dict(T_max=600)
train_cfg = dict(max_epochs=600)
