# Retraining of CDARTS on CIFAR (Section 4.3): 600 epochs, batch 128, cosine to 0; clip as DARTS.
# Authors: the rate is set once per epoch; for networks of less than 3.5 M parameters the weight
# decay is 3e-4, whatever the option says.
_base_ = './cifar_200e.py'
optim_wrapper = dict(optimizer=dict(lr=0.025), clip_grad=dict(max_norm=5))
param_scheduler = dict(T_max=600)
train_cfg = dict(max_epochs=600)
