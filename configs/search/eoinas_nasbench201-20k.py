# EoiNAS beside gdas_nasbench201-20k.py, trained as long: 48 epochs of warm-up, prunings after 54, 60,
# 66 and 72. `model.indicator`, `chain` and `slimming` choose a reading of the paper.
_base_ = './gdas_nasbench201-20k.py'
model = dict(
    type='ppnas_mm.EoiNAS',
    warmup_epochs=48,
    indicator=dict(),
    chain=dict(),
    slimming=dict(begin=54, interval=6))
