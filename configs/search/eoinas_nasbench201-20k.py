# EoiNAS beside gdas_nasbench201-20k.py, trained as long: 12 epochs of warm-up, prunings after 24, 36,
# 48 and 60. `model.warmup_epochs`, `indicator`, `chain` and `slimming` choose a reading of the paper.
_base_ = './gdas_nasbench201-20k.py'
model = dict(
    type='ppnas_mm.EoiNAS', warmup_epochs=None, indicator=dict(), chain=dict(), slimming=dict())
