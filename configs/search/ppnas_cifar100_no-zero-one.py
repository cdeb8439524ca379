# Table VIII without the zero-one loss: no connection passes 0.9 and the derivation fails.
_base_ = './ppnas_cifar10.py'
data_preprocessor = dict(
    mean=[129.304, 124.070, 112.434], std=[68.170, 65.392, 70.418], num_classes=100)
train_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
val_dataloader = test_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
model = dict(zero_one_weight=0, model=dict(head=dict(num_classes=100)))
