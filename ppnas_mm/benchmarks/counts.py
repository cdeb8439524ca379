"""Parameters and multiply-adds of the networks, and of complete detectors and segmentors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from .networks import NETWORKS, named
from .record import Record, conditions

DOWNSTREAM = {
    'detection/retinanet_{}_voc0712': (3, 640, 640),
    'detection/gflv2_{}_coco': (3, 896, 896),
    'segmentation/deeplabv3plus_{}-d8_voc12aug': (3, 512, 512),
    'segmentation/deeplabv3plus_{}-d16_voc12aug': (3, 512, 512),
    'segmentation/deeplabv3plus_{}-d8_cityscapes': (3, 512, 1024),
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Stop mmengine's counter from listing operations that it cannot count."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    try:
        yield
    finally:
        logger.setLevel(level)


def _macs(model: nn.Module, shape: Sequence[int]) -> float:
    """Return the multiply-adds in G, including norms and pools."""
    from mmengine.analysis import get_model_complexity_info

    with _quiet():
        info = get_model_complexity_info(
            model, input_shape=tuple(shape), show_table=False, show_arch=False
        )
    return info['flops'] / 1e9


def params(names: Sequence[str] | None = None) -> Record:
    """Count parameters, including the classifier, and multiply-adds of the backbones.

    Raises:
        ConfigError: If a name is unknown.
    """
    results = []
    for name, network in named(names or list(NETWORKS)).items():
        backbone = network.build().eval()
        widths = [backbone.out_channels[-1], *network.hidden, network.classes]
        head = nn.Sequential(*map(nn.Linear, widths, widths[1:]))
        count = sum(p.numel() for m in (backbone, head) for p in m.parameters())
        macs = _macs(backbone, (3, network.size, network.size))
        side = f'{network.size} x {network.size}'
        results.append(
            dict(
                network=name,
                input=side,
                parameters=count,
                millions=count / 1e6,
                paper=network.paper,
                macs=macs,
            )
        )
    return Record('params', conditions(), results)


def complexity() -> Record:
    """Count parameters and multiply-adds of the full-size detectors and segmentors."""
    from ..config.load import load_config
    from ..config.model import build_model

    results: list[dict[str, Any]] = []
    for pattern, shape in DOWNSTREAM.items():
        for net in ('resnet50-vd', 'res2net50-vd', 'pp-resnet50'):
            config = load_config(f'configs/{pattern.format(net)}.py')
            model = build_model(config).eval()
            count = sum(p.numel() for p in model.parameters())
            side = f'{shape[1]} x {shape[2]}'
            found = dict(config=pattern.format(net), input=side, millions=count / 1e6)
            results.append({**found, 'macs': _macs(model, shape)})
    return Record('complexity', conditions(), results)
