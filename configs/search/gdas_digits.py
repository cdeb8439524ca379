# GDAS on handwritten digits: eoinas_digits.py without its two parts (Table III, first row).
_base_ = './eoinas_digits.py'
model = dict(
    _delete_=True, type='ppnas_mm.GDAS', model={{_base_.model.model}}, warmup_epochs=12,
    temperature=dict(epochs=96))
