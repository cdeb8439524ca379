# Retraining of what search/senas_nasbench201.py finds: --genotype FILE, or --retrain. The training of
# NAS-Bench-201: 200 epochs, batch 256, Nesterov, cosine to 0. As it stands it trains the cell of the
# highest CIFAR-10 accuracy in the benchmark.
_base_ = [
    '../_base_/heads/linear_cifar.py', '../_base_/datasets/cifar10_darts.py',
    '../_base_/schedules/cifar_200e.py'
]
model = dict(
    backbone=dict(
        type='ppnas_mm.NASBench201Net',
        arch=dict(
            schema=1,
            space='nasbench201',
            cells=[
                dict(
                    name='cell',
                    inputs=1,
                    nodes=[
                        [dict(op='nor_conv_3x3', sources=[0])],
                        [dict(op='nor_conv_3x3', sources=[0]), dict(op='nor_conv_3x3', sources=[1])],
                        [
                            dict(op='skip_connect', sources=[0]),
                            dict(op='nor_conv_3x3', sources=[1]),
                            dict(op='nor_conv_1x1', sources=[2]),
                        ],
                    ]),
            ])),
    head=dict(in_channels=64))
train_dataloader = dict(batch_size=256)
optim_wrapper = dict(optimizer=dict(nesterov=True))
