# CDARTS in the space of NAS-Bench-Macro, beside gdas_nasbench-macro-20k.py: 8 cycles after a warm-up
# of 64 epochs. L1 holds down the shortcut; only the logits are distilled.
_base_ = './cdarts_nasbench201-20k.py'
model = dict(
    model=dict(
        backbone=dict(
            _delete_=True,
            type='ppnas_mm.NASBenchMacroSuperNet',
            width=0.25,
            last_channels=None),
        head=dict(in_channels=64)),
    evaluation=dict(_delete_=True),
    pools=(3, 2, 1),
    distillation=dict(levels=(3, )),
    l1_ops=('shortcut', ))
