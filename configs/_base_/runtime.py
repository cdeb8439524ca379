# Everything a run needs that is neither model, data nor schedule.
default_scope = 'mmpretrain'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='ppnas_mm.SafeCheckpointHook', interval=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    epoch_seed=dict(type='ppnas_mm.EpochSeedHook'),
    data_check=dict(type='ppnas_mm.DataCheckHook'))
env_cfg = dict(cudnn_benchmark=False, dist_cfg=dict(backend='nccl'))
# TensorBoard: add dict(type='TensorboardVisBackend') to vis_backends
visualizer = dict(type='mmpretrain.UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
log_level = 'INFO'
randomness = dict(seed=0)
val_cfg = dict()
test_cfg = dict()
