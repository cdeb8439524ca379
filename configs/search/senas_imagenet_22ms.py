# SE-NAS-G: as senas_imagenet_470m.py, but at most 22 ms on a device of your own, measured there with
#     python tools/benchmark.py latency-table configs/search/senas_imagenet_470m.py --size 224 \
#         --batch-size 16 --device cuda --out work_dirs/latency_mobile.json
# The paper names neither its GPU nor its batch: choose those for which ProxylessNAS-GPU takes 22 ms.
_base_ = './senas_imagenet_470m.py'
model = dict(
    limits=dict(
        _delete_=True,
        latency=(21.0, 22.0),
        latency_table='work_dirs/latency_mobile.json',
        input_shape=(3, 224, 224)))
