# EoiNAS beside gdas_nasbench201-20k.py, trained as long: prunings after 66, 68, 70 and 72 epochs.
# `model.indicator`, `chain` and `slimming` choose a reading of the paper.
_base_ = './gdas_nasbench201-20k.py'
model = dict(
    type='ppnas_mm.EoiNAS',
    indicator=dict(),
    chain=dict(),
    slimming=dict(begin=66, interval=2))
