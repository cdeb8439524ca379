# RetinaNet of the authors of PP-NAS for the 20 classes of VOC, in squares of 640.
_base_ = './retinanet.py'
model = dict(data_preprocessor=dict(pad_size_divisor=640), bbox_head=dict(num_classes=20))
