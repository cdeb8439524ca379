# EoiNAS beside gdas_nasbench-macro-20k.py, trained as long: prunings after 44 and 48 epochs.
_base_ = './gdas_nasbench-macro-20k.py'
model = dict(
    type='ppnas_mm.EoiNAS',
    indicator=dict(),
    chain=dict(),
    slimming=dict(begin=44, interval=4))
