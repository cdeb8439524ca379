"""Benchmarks; see --help."""

from ppnas_mm import cli

# name: (class, arguments, classes, millions of parameters that the paper prints)
NETWORKS = {
    'ResNet-50-vd': ('PPResNet', dict(depth=50, block='resnet'), 1000, 25.6),
    'Res2Net-50 (26w x 4s)': ('PPResNet', dict(depth=50, block='res2net'), 1000, 25.7),
    'PP-ResNet-50 (26w x 4s)': ('PPResNet', dict(depth=50), 1000, 25.7),
    'PP-ResNet-101 (26w x 4s)': ('PPResNet', dict(depth=101), 1000, None),
    'PP-ResNet-152 (26w x 4s)': ('PPResNet', dict(depth=152), 1000, None),
    'ResNet-110': ('PPResNetCIFAR', dict(depth=110, block='resnet'), 10, 18.1),
    'ResNeXt-110 (4c x 24w)': ('PPResNetCIFAR', dict(depth=110, block='resnext'), 10, 18.1),
    'Res2Net-110 (26w x 4s)': ('PPResNetCIFAR', dict(depth=110, block='res2net'), 10, 18.5),
    'PP-ResNet-110 (26w x 4s)': ('PPResNetCIFAR', dict(depth=110), 10, 18.5),
}

DOWNSTREAM = {
    'detection/retinanet_{}_voc0712': (3, 640, 640),
    'detection/gflv2_{}_coco': (3, 896, 896),
    'segmentation/deeplabv3plus_{}-d8_voc12aug': (3, 512, 512),
    'segmentation/deeplabv3plus_{}-d16_voc12aug': (3, 512, 512),
    'segmentation/deeplabv3plus_{}-d8_cityscapes': (3, 512, 1024),
}


def params() -> None:
    """Print parameters and multiply-adds of every network, beside what the paper prints."""
    from mmengine.analysis import get_model_complexity_info
    from mmengine.logging import MMLogger
    from torch import nn

    from ppnas_mm import backbones
    from ppnas_mm.report import table

    MMLogger.get_current_instance().setLevel('ERROR')
    rows = []
    for name, (cls, arguments, classes, paper) in NETWORKS.items():
        backbone = getattr(backbones, cls)(**arguments).eval()
        side = 224 if classes == 1000 else 32
        head = nn.Linear(backbone.out_channels[-1], classes)
        count = sum(p.numel() for m in (backbone, head) for p in m.parameters())
        info = get_model_complexity_info(
            backbone, input_shape=(3, side, side), show_table=False, show_arch=False
        )
        macs = f'{info["flops"] / 1e9:.2f} G at {side}'
        rows.append([name, f'{count:,}', f'{count / 1e6:.3f}', paper or '-', macs])
    print(table(['network', 'parameters', 'M', 'paper, M', 'backbone multiply-adds'], rows))


def complexity() -> None:
    """Print parameters and multiply-adds of the full-size detectors and segmentors."""
    from mmengine.analysis import get_model_complexity_info
    from mmengine.logging import MMLogger
    from mmengine.registry import MODELS, DefaultScope

    from ppnas_mm.compat import guard_torchvision
    from ppnas_mm.config import load_config, replace_sync_bn
    from ppnas_mm.report import table

    guard_torchvision()
    MMLogger.get_current_instance().setLevel('ERROR')
    rows = []
    for pattern, shape in DOWNSTREAM.items():
        for net in ('resnet50-vd', 'res2net50-vd', 'pp-resnet50'):
            config = load_config(f'configs/{pattern.format(net)}.py')
            replace_sync_bn(config.model)
            with DefaultScope.overwrite_default_scope(config.default_scope):
                model = MODELS.build(config.model).eval()
            info = get_model_complexity_info(
                model, input_shape=shape, show_table=False, show_arch=False
            )
            count = sum(p.numel() for p in model.parameters())
            side = f'{shape[1]} x {shape[2]}'
            rows.append(
                [pattern.format(net), side, f'{count / 1e6:.3f}', f'{info["flops"] / 1e9:.1f}']
            )
    print(table(['config', 'input', 'parameters, M', 'multiply-adds, G'], rows))


def main() -> None:
    """Parse the arguments and run one benchmark."""
    parser = cli.new_parser(
        'Benchmarks: "params" counts parameters and multiply-adds of the backbones, "complexity" '
        'those of the detectors and segmentors.',
        'python tools/benchmark.py params',
    )
    tables = {'params': params, 'complexity': complexity}
    parser.add_argument('what', choices=list(tables))
    tables[parser.parse_args().what]()


if __name__ == '__main__':
    cli.run_tool(main)
