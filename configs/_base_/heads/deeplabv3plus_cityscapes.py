# DeepLabv3+ for the 19 classes of Cityscapes, in crops of 512 x 1024.
_base_ = './deeplabv3plus.py'
model = dict(data_preprocessor=dict(size=(512, 1024)), decode_head=dict(num_classes=19))
