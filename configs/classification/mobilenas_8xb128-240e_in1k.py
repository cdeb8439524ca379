# Retraining of what SE-NAS finds on ImageNet: --genotype FILE, or --retrain of tools/search.py. As it
# stands it trains ProxylessNAS-GPU, of which its authors print 75.1 % with a recipe of their own.
# Augmentation is not stated; AngleNAS has BGR images of values 0 to 255.
_base_ = [
    '../_base_/backbones/mobilenas.py', '../_base_/heads/linear_imagenet.py',
    '../_base_/datasets/imagenet.py', '../_base_/schedules/senas-imagenet_240e.py'
]
model = _base_.pop('network').classifier
