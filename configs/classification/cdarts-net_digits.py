# A small network of DARTS cells on digits, to retrain what searches on digits find: --genotype FILE, or
# --retrain. As it stands it trains CDARTS' cell of CIFAR-10.
_base_ = [
    '../_base_/models/darts-net_digits.py', '../_base_/datasets/digits.py',
    '../_base_/schedules/digits_20e.py'
]
