# FairNAS, the second baseline of SE-NAS, trained as long as senas_imagenet_470m.py: each step trains
# every operation once, so it takes the time of seven. The paper does not say how long it trained it.
_base_ = './senas_imagenet_470m.py'
model = dict(
    _delete_=True,
    type='ppnas_mm.SPOS',
    sampler='fair',
    model={{_base_.model.model}},
    limits={{_base_.model.limits}})
