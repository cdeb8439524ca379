"""Exported graphs of any image size and of any number of channels."""

import json
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from mmengine.config import Config
from tasks import classifier
from torch import nn
from zoo import BACKBONES, build_network, images, scramble

from ppnas_mm.config.keys import ConfigError
from ppnas_mm.inference.export import (
    FORMATS,
    ExportError,
    export_checkpoint,
    export_network,
    image_channels,
)
from ppnas_mm.registry import MODELS

CIFAR = {'type': 'ppnas_mm.PPResNetCIFAR', 'depth': 11, 'base_channels': 8}


@pytest.mark.parametrize('name', BACKBONES)
@torch.no_grad()
def test_onnx_of_any_size(name: str, tmp_path: Path) -> None:
    """By onnxruntime, at three sizes and batches that the export has not seen."""
    net, path = scramble(build_network(f'ppnas_mm.{name}')).eval(), tmp_path / 'net.onnx'
    assert export_network(net, 'onnx', path, (32, 40), dynamic_size=True) <= 1e-4
    session = onnxruntime.InferenceSession(path)
    for size in ((2, 3, 33, 47), (1, 3, 64, 32), (3, 3, 97, 100)):
        x = images(*size)
        for want, got in zip(net(x), session.run(None, {'images': x.numpy()}), strict=True):
            assert (want - torch.from_numpy(got)).abs().max() <= 1e-5 * want.abs().max()


@pytest.mark.parametrize('file_format', ['torchscript', 'pt2'])
@pytest.mark.parametrize('name', ['PPResNetCIFAR', 'DARTSNet'])
@torch.no_grad()
def test_other_formats_of_any_size(name: str, file_format: str, tmp_path: Path) -> None:
    net, path = scramble(build_network(f'ppnas_mm.{name}')).eval(), tmp_path / 'net'
    export_network(net, file_format, path, (32, 40), dynamic_size=True)
    run = FORMATS[file_format][1](path.read_bytes())
    for size in ((2, 3, 33, 47), (1, 3, 64, 50)):
        x = images(*size)
        for want, got in zip(net(x), run(x), strict=True):
            assert (want - got).abs().max() <= 1e-5 * want.abs().max()


@pytest.mark.parametrize('file_format', FORMATS)
@pytest.mark.parametrize('channels', [1, 4])
def test_images_of_other_channels(channels: int, file_format: str, tmp_path: Path) -> None:
    for backbone in (CIFAR, {**CIFAR, 'conv_cfg': {'type': 'ConvWS'}}):
        net = MODELS.build({**backbone, 'in_channels': channels})
        assert image_channels(net) == channels
        assert export_network(net, file_format, tmp_path / 'net', (16, 16)) <= 1e-4


def written(channels: int, folder: Path, **preprocessor: Any) -> tuple[Any, Path]:
    """A classifier's config and its weights."""
    model = classifier({**CIFAR, 'in_channels': channels})
    model['data_preprocessor'] = {'type': 'mmpretrain.ClsDataPreprocessor', **preprocessor}
    model['head']['in_channels'] = 128
    torch.save({'state_dict': MODELS.build(model).state_dict()}, folder / 'weights.pth')
    return Config(dict(default_scope='mmpretrain', model=model)), folder / 'weights.pth'


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('backbone', [False, True])
def test_notes_have_a_number_for_each_channel(
    channels: int, backbone: bool, tmp_path: Path
) -> None:
    for mean in (None, [7.0], [7.0] * channels):
        config, weights = written(
            channels, tmp_path, **({'mean': mean, 'std': mean} if mean else {})
        )
        path = tmp_path / 'net.onnx'
        _, notes = export_checkpoint(config, weights, 'onnx', path, (16, 16), backbone, True)
        (entry,) = onnx.load(path).metadata_props
        assert json.loads(entry.value) == notes
        assert notes['input'] == ['N', channels, 'H', 'W']
        assert notes['mean'] == ([7.0] if mean else [0.0]) * channels
        assert len(notes['std']) == channels


def test_another_number_of_channels_is_refused_in_one_line(tmp_path: Path) -> None:
    config, weights = written(4, tmp_path, mean=[1.0, 2.0, 3.0], std=[1.0] * 3)
    with pytest.raises(ConfigError, match=r'mean has 3 numbers, but .* 4 channels'):
        export_checkpoint(config, weights, 'onnx', tmp_path / 'net.onnx', (16, 16))


class Whole(nn.Module):
    """A network that takes images of one size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 2, 1), nn.Linear(2 * 16 * 16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.conv(x).flatten(1))


@pytest.mark.parametrize('file_format', FORMATS)
def test_a_network_of_one_size_is_refused_in_one_line(file_format: str, tmp_path: Path) -> None:
    path = tmp_path / 'net'
    assert export_network(Whole(), file_format, path, (16, 16)) <= 1e-4
    path.unlink()
    with pytest.raises(ExportError, match='net: not written') as error:
        export_network(Whole(), file_format, path, (16, 16), dynamic_size=True)
    assert '\n' not in str(error.value) and not path.exists()
