# DeepLabv3+ for the 21 classes of VOC. No side of its images is above 500: tests pad it to 512 and
# crop the prediction.
_base_ = './deeplabv3plus.py'
model = dict(data_preprocessor=dict(test_cfg=dict(size=(512, 512))))
