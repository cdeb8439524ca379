# SPOS, the baseline of SE-NAS (Table 6, first row), trained as long as senas_imagenet_470m.py: one path
# a step, drawn uniformly; then the evolution. The paper does not say how long it trained SPOS.
_base_ = './senas_imagenet_470m.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.SPOS',
    model={{_base_.model.model}},
    limits={{_base_.model.limits}})
