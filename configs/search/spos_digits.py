# SPOS on handwritten digits, the baseline of senas_digits.py: trained as long, without shrinking.
_base_ = './senas_digits.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.SPOS',
    model={{_base_.model.model}},
    limits={{_base_.model.limits}},
    recalibrate_batches={{_base_.model.recalibrate_batches}},
    eval_batches={{_base_.model.eval_batches}},
    selection={{_base_.model.selection}})
