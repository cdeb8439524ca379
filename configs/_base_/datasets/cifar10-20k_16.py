# 20,000 images of CIFAR-10, scaled to 16 x 16, in batches of 64; the preprocessor crops and flips.
_base_ = './cifar10.py'
data_preprocessor = dict(type='ppnas_mm.CropFlipPreprocessor', padding=2)
__pipeline = [dict(type='Resize', scale=16), dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2, pipeline=__pipeline))
val_dataloader = test_dataloader = dict(
    num_workers=0, dataset=dict(type='ppnas_mm.PartialCIFAR10', batches=2, pipeline=__pipeline))
