# GDAS whose alpha follows ranks of drawn cells, from the super-net of spos_nasbench201-20k.py: 8 epochs.
# docs/results/does_the_search_pay.md has what it finds.
_base_ = './gdas_nasbench201-20k.py'
model = dict(warmup_epochs=0, gradient='score', samples=8, advantage='rank')
optim_wrapper = dict(weights=dict(optimizer=dict(lr=0.02)))
train_cfg = dict(max_epochs=8, val_interval=8)
load_from = 'work_dirs/spos_nasbench201-20k/epoch_75.pth'
