# Ablation (SE-NAS, Table 6, second row): shrinking by the importance of operations alone, without
# expansion.
_base_ = './senas_imagenet_470m.py'
model = dict(score='si', threshold=None)
