# EoiNAS beside gdas_nasbench-macro-20k.py, trained as long: prunings after 40 and 60 epochs.
_base_ = './gdas_nasbench-macro-20k.py'
model = dict(
    type='ppnas_mm.EoiNAS', warmup_epochs=None, indicator=dict(), chain=dict(), slimming=dict())
