# SE-NAS in the space of NAS-Bench-Macro, beside gdas_nasbench-macro-20k.py: one shrinking drops 4 of the
# 24 operations.
_base_ = './senas_nasbench201-20k.py'
model = dict(
    model=dict(
        backbone=dict(
            _delete_=True,
            type='ppnas_mm.NASBenchMacroSuperNet',
            width=0.25,
            strides=(1, 2, 2),
            last_channels=None),
        head=dict(in_channels=64)),
    drop=4,
    max_stages=1,
    first_epochs=80)
