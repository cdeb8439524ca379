# EoiNAS beside gdas_nasbench201-20k.py, trained as long: prunings after 42, 44, 46 and 48 epochs.
# `model.indicator`, `chain` and `slimming` choose a reading of the paper.
_base_ = './gdas_nasbench201-20k.py'
model = dict(
    type='ppnas_mm.EoiNAS',
    indicator=dict(),
    chain=dict(),
    slimming=dict(begin=42, interval=2))
