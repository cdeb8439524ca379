# SE-NAS-F: as senas_imagenet_22ms.py, which says how latency is measured, but at most 17 ms.
_base_ = './senas_imagenet_470m.py'
model = dict(
    limits=dict(
        _delete_=True,
        latency=(16.0, 17.0),
        latency_table='work_dirs/latency_mobile.json',
        input_shape=(3, 224, 224)))
