# Random search, "full": the drawn architecture may drop input groups (Section IV-B).
_base_ = './random_cifar10.py'
data_preprocessor = dict(
    mean=[129.304, 124.070, 112.434], std=[68.170, 65.392, 70.418], num_classes=100)
train_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
val_dataloader = test_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
model = dict(constrained=False, model=dict(head=dict(num_classes=100)))
