# GDAS in the space of NAS-Bench-Macro beside gdas_nasbench201-20k.py: a quarter of the width; the
# first stage keeps the resolution, so that maps have the benchmark's sizes.
_base_ = './gdas_nasbench201-20k.py'
model = dict(
    model=dict(
        backbone=dict(
            _delete_=True,
            type='ppnas_mm.NASBenchMacroSuperNet',
            width=0.25,
            strides=(1, 2, 2),
            last_channels=None),
        head=dict(in_channels=64)))
