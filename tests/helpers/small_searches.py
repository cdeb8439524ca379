"""Configs of tiny searches for cells of NAS-Bench-201 on digits."""

from pathlib import Path

from tool import ROOT

MODEL = """dict(
        type='ImageClassifier',
        backbone=dict(type='ppnas_mm.NASBench201SuperNet', init_channels=4, cells_per_stage=1),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=16, topk=(1, ),
                  loss=dict(type='CrossEntropyLoss')))"""
DATA = """
param_scheduler = None
train_dataloader = dict(batch_size=16, dataset=dict(indices=64))
val_dataloader = dict(batch_size=20, dataset=dict(indices=40))
default_hooks = dict(search=dict(recalibrate_batches=1))
"""
CHOOSES = "train_cfg = dict(_delete_=True, type='ppnas_mm.ChooseLoop', val_share=0.5)\n"
TRAINS = 'train_cfg = dict(max_epochs=1, val_interval=1, val_share=0.5)\n'
FEW = 'enumerate_up_to=1, population=3, generations=2, crossover=1, mutation=1'

ALGORITHMS = {
    'naswot': ("type='ppnas_mm.ZeroCostSearch', score='naswot', draws=4, images=16", CHOOSES),
    'params': ("type='ppnas_mm.ZeroCostSearch', score='params', draws=4", CHOOSES),
    'params-trained': ("type='ppnas_mm.ZeroCostSearch', score='params', draws=4", TRAINS),
    'spos': (f"type='ppnas_mm.SPOS', recalibrate_batches=1, selection=dict({FEW})", TRAINS),
    'gdas': ("type='ppnas_mm.GDAS'", TRAINS),
}


def write_search(name: str, folder: Path) -> Path:
    """Write the config of a search of :data:`ALGORITHMS`."""
    algorithm, rest = ALGORITHMS[name]
    path = folder / f'{name}.py'
    bases = [str(ROOT / f'configs/_base_/{p}.py') for p in ('search/one_shot', 'datasets/digits')]
    arch = "optim_wrapper = dict(arch=dict(optimizer=dict(type='Adam', lr=0.01)))\n"
    path.write_text(
        f'_base_ = {bases}\nmodel = dict(\n    _delete_=True, {algorithm},\n    model={MODEL})\n'
        f'{DATA}{rest}{arch if name == "gdas" else ""}'
    )
    return path
