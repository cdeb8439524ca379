# GDAS on handwritten digits: network and schedule of eoinas_digits.py, temperature and start of alpha
# as in GDAS. eoinas_digits_no-sss-oii.py is EoiNAS without its two parts.
_base_ = './eoinas_digits.py'
model = dict(
    _delete_=True, type='ppnas_mm.GDAS', model={{_base_.model.model}}, warmup_epochs=12)
