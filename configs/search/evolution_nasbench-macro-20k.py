# Regularised evolution that queries the table of NAS-Bench-Macro; nothing is trained. One of its three
# trainings of each network guides it: 300 queries.
_base_ = './zero-cost_nasbench-macro-20k.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.TableSearch',
    model={{_base_.model.model}},
    table='data/nasbench_macro',
    dataset='cifar10-test0')
