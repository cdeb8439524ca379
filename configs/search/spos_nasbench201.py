# SPOS in the NAS-Bench-201 space, the baseline of senas_nasbench201.py, trained as long.
_base_ = './senas_nasbench201.py'
model = dict(_delete_=True, type='ppnas_mm.SPOS', model={{_base_.model.model}})
