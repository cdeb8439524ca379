# FairNAS on handwritten digits: as spos_digits.py, but each step trains every operation once, so it
# takes the time of four.
_base_ = './senas_digits.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.SPOS',
    sampler='fair',
    model={{_base_.model.model}},
    limits={{_base_.model.limits}},
    recalibrate_batches={{_base_.model.recalibrate_batches}},
    eval_batches={{_base_.model.eval_batches}},
    selection={{_base_.model.selection}})
