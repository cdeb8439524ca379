# SE-NAS-B: as senas_imagenet_470m.py, at about 320 M multiply-adds.
_base_ = './senas_imagenet_470m.py'
model = dict(limits=dict(flops=(315e6, 323e6)))
