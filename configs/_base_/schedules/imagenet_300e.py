# The paper's augmented training on ImageNet, Section IV-C: as the standard one (batch 1024, 5
# epochs of warm-up, cosine to 0) for 300 epochs with a weight decay of 4e-5. The paper's decay is
# the "stable weight decay" of arXiv 2011.11152.
# Only in the authors' code: optim_wrapper.optimizer.nesterov=True, and a warm-up from 0.1
# rather than from 0 (start_factor=0.25).
_base_ = './imagenet_120e.py'
optim_wrapper = dict(optimizer=dict(type='ppnas_mm.StableSGD', weight_decay=4e-5))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-6, begin=0, end=5, by_epoch=True,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', T_max=295, begin=5, end=300, by_epoch=True,
        convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=300)
