# Regularised evolution that queries a table of NAS-Bench-201; nothing is trained. The accuracies after
# 12 epochs on images held out guide it: 300 queries.
_base_ = './zero-cost_nasbench201-20k.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.TableSearch',
    model={{_base_.model.model}},
    table='data/nasbench201/nb201_12epoch_accs.csv.gz',
    dataset='cifar10-val')
