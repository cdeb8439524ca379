# Ablation (SE-NAS, Table 6, second row): shrinking by the importance of operations alone, without
# expansion.
_base_ = './senas_digits.py'
model = dict(score='si', threshold=None)
