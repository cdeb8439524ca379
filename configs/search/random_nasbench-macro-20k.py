# A random network of NAS-Bench-Macro, trained for some epochs; with --seeds, the best of several by
# images held out: random search of any cost.
_base_ = './zero-cost_nasbench-macro-20k.py'
model = dict(score='random', draws=1)
train_cfg = dict(_delete_=True, type='ppnas_mm.SearchLoop', max_epochs=10, val_share=0.1)
