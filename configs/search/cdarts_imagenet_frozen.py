# Ablation (CDARTS, Table 7): the evaluation network does not learn in the joint step.
_base_ = './cdarts_imagenet.py'
model = dict(joint_optimizer=None)
