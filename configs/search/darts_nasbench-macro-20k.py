# First-order DARTS beside gdas_nasbench-macro-20k.py, trained as long.
_base_ = './gdas_nasbench-macro-20k.py'
model = dict(type='ppnas_mm.DARTS')
