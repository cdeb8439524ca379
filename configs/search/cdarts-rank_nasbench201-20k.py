# CDARTS whose search network runs drawn paths, with alpha by their ranks, a quarter of the distillation
# and inherited weights, from the super-net of spos_nasbench201-20k.py: 8 cycles.
_base_ = './cdarts_nasbench201-20k.py'
model = dict(
    warmup_epochs=0,
    inherit_weights=True,
    relaxation='sampled',
    advantage='rank',
    samples=8,
    l1_weight=0.0,
    share_stem=False,
    distillation=dict(loss='kl'),
    distill_weight=0.25)
optim_wrapper = dict(
    weights=dict(optimizer=dict(lr=0.02)), evaluation=dict(optimizer=dict(lr=0.02)))
train_cfg = dict(max_epochs=16, val_interval=16)
load_from = 'work_dirs/spos_nasbench201-20k/epoch_75.pth'
