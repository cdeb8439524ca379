# Retraining of what search/senas_nasbench201.py finds: --genotype FILE, or --retrain. The training of
# NAS-Bench-201: 200 epochs, batch 256, Nesterov, cosine to 0. As it stands it trains the cell of the
# highest CIFAR-10 accuracy in the benchmark.
_base_ = ['../_base_/datasets/cifar10.py', '../_base_/schedules/cifar_200e.py', '../_base_/runtime.py']
model = dict(
    type='ImageClassifier',
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
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead', num_classes=10, in_channels=64, topk=(1, ),
        loss=dict(type='CrossEntropyLoss')))
# as in the searches
data_preprocessor = dict(std=[62.985, 62.0925, 66.705])
train_dataloader = dict(batch_size=256)
optim_wrapper = dict(optimizer=dict(nesterov=True))
