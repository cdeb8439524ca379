"""Shared by the tests of cut cells and others."""

from tool import ROOT

CONFIG = f"""
_base_ = '{ROOT}/configs/search/cdarts_digits.py'
model = dict(
    model=dict(
        backbone=dict(
            _delete_=True, type='ppnas_mm.NASBench201SuperNet', cells_per_stage=1, init_channels=4),
        head=dict(in_channels=16)),
    evaluation=dict(_delete_=True),
    pools=(3, 2),
    warmup_epochs=0)
train_dataloader = dict(batch_size=16, dataset=dict(indices=70))
val_dataloader = dict(dataset=dict(indices=20))
optim_wrapper = dict(arch=dict(optimizer=dict(lr=1e-6)))
train_cfg = dict(max_epochs=2, val_interval=2)
"""
