# Table VIII without the connection-existence loss: nodes or input groups may end unconnected,
# and the derivation then fails.
_base_ = './ppnas_cifar10.py'
data_preprocessor = dict(
    mean=[129.304, 124.070, 112.434], std=[68.170, 65.392, 70.418], num_classes=100)
train_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
val_dataloader = test_dataloader = dict(dataset=dict(type='CIFAR100', data_root='data/cifar100'))
model = dict(connection_weight=0, model=dict(head=dict(num_classes=100)))
