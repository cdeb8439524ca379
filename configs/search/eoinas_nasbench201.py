# EoiNAS in the NAS-Bench-201 space on CIFAR-10: the schedule of eoinas_cifar10.py, where five
# operations an edge need four prunings, after 64, 96, 128 and 160 epochs, and 32 of warm-up; the
# benchmark's network, 16 channels and five cells a stage. `tools/nasbench201.py --record
# work_dirs/eoinas_nasbench201/search.json` says how beta, S, I and Live rank the operations.
_base_ = './eoinas_cifar10.py'
model = dict(
    model=dict(
        backbone=dict(
            _delete_=True, type='ppnas_mm.NASBench201SuperNet', init_channels=16,
            cells_per_stage=5),
        head=dict(in_channels=64)))
