# SPOS, the baseline of senas_nasbench-macro-20k.py: trained and evaluated as long.
_base_ = './senas_nasbench-macro-20k.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.SPOS',
    model={{_base_.model.model}},
    recalibrate_batches={{_base_.model.recalibrate_batches}},
    accuracy={{_base_.model.accuracy}},
    eval_batches={{_base_.model.eval_batches}},
    selection={{_base_.model.selection}})
