# SE-NAS-A: as senas_imagenet_470m.py, at about 250 M multiply-adds.
_base_ = './senas_imagenet_470m.py'
model = dict(limits=dict(flops=(245e6, 252e6)))
