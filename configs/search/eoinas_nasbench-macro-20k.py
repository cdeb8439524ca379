# EoiNAS beside gdas_nasbench-macro-20k.py, trained as long: prunings after 68 and 72 epochs.
_base_ = './gdas_nasbench-macro-20k.py'
model = dict(
    type='ppnas_mm.EoiNAS',
    indicator=dict(),
    chain=dict(),
    slimming=dict(begin=68, interval=4))
