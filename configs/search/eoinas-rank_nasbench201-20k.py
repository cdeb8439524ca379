# EoiNAS whose alpha follows ranks of drawn cells, as in gdas-rank_nasbench201-20k.py; its indicator
# counts steps; prunings after 2, 4, 6 and 8 epochs.
_base_ = './gdas_nasbench201-20k.py'
model = dict(
    type='ppnas_mm.EoiNAS',
    warmup_epochs=0,
    gradient='score',
    samples=8,
    advantage='rank',
    indicator=dict(unit='steps'),
    chain=dict(),
    slimming=dict(begin=2, interval=2))
optim_wrapper = dict(weights=dict(optimizer=dict(lr=0.02)))
train_cfg = dict(max_epochs=8, val_interval=8)
load_from = 'work_dirs/spos_nasbench201-20k/epoch_75.pth'
