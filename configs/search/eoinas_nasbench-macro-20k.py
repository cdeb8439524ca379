# EoiNAS beside gdas_nasbench-macro-20k.py, trained as long: prunings after 66 and 72 epochs.
_base_ = './gdas_nasbench-macro-20k.py'
model = dict(
    type='ppnas_mm.EoiNAS',
    warmup_epochs=60,
    indicator=dict(),
    chain=dict(),
    slimming=dict(begin=66, interval=6))
