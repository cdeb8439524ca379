"""Exported graphs run outside of the package and compute what torch computes."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from networks import LIBRARY_NETWORKS
from tasks import classifier
from tool import RETRAIN, ROOT, call
from zoo import BACKBONES, NETWORKS, build_network, images, scramble

from ppnas_mm.datasets import Digits
from ppnas_mm.genotype import Genotype
from ppnas_mm.inference import export
from ppnas_mm.inference.export import ExportError, export_network
from ppnas_mm.registry import MODELS

SIZE = (32, 40)
PUBLISHED = Genotype.load('pp_resnet_imagenet')
ZOO = ROOT / 'model_zoo/pp-resnet20_digits'


def run(path, file_format, x):
    """Run an exported file without the package."""
    if file_format == 'onnx':
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options)
        return [torch.from_numpy(out) for out in session.run(None, {'images': x.numpy()})]
    load = torch.jit.load if file_format == 'torchscript' else torch.export.load
    module = load(str(path))
    out = (module if file_format == 'torchscript' else module.module())(x)
    return list(out) if isinstance(out, (tuple, list)) else [out]


@torch.no_grad()
def check(net, path, file_format, size=SIZE):
    """Export, then compare on a batch size that the export has not seen."""
    assert export_network(net, file_format, path, size) <= 1e-4
    x = images(4, 3, *size)
    expected = net(x)
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = run(path, file_format, x)
    assert len(found) == len(expected)
    for want, got in zip(expected, found, strict=True):
        scale = max(1.0, float(want.abs().max()))
        torch.testing.assert_close(got, want, rtol=0, atol=1e-4 * scale)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize('file_format', ['onnx', 'torchscript'])
@pytest.mark.parametrize('name', BACKBONES)
def test_backbones(name, file_format, tmp_path):
    net = scramble(build_network(f'ppnas_mm.{name}')).eval()
    check(net, tmp_path / 'net', file_format)


@pytest.mark.parametrize('file_format', ['onnx', 'torchscript'])
@pytest.mark.parametrize('deploy', [False, True])
@pytest.mark.parametrize('name', LIBRARY_NETWORKS)
def test_blocks_plugged_into_networks_of_the_libraries(name, deploy, file_format, tmp_path):
    network = LIBRARY_NETWORKS[name]
    cell = {**PUBLISHED.to_dict(), 'cells': PUBLISHED.to_dict()['cells'][:1]}
    config = dict(type='ppnas_mm.Plugged', backbone=network.config, arch=cell, where=network.where)
    net = scramble(MODELS.build(config)).eval()
    if deploy:
        net.switch_to_deploy()
    check(net, tmp_path / 'net', file_format, (64, 96))


@pytest.mark.parametrize('name', BACKBONES)
def test_backbones_as_pt2(name, tmp_path):
    """By the export's own comparison: loading these files takes seconds."""
    net = scramble(build_network(f'ppnas_mm.{name}')).eval()
    assert export_network(net, 'pt2', tmp_path / 'net.pt2', SIZE) <= 1e-4
    assert (tmp_path / 'net.pt2').stat().st_size > 4 * sum(p.numel() for p in net.parameters())


def test_a_pt2_file_runs_without_the_package(tmp_path):
    check(scramble(build_network('ppnas_mm.NASBench201Net')).eval(), tmp_path / 'net.pt2', 'pt2')


@pytest.mark.parametrize('name', BACKBONES)
def test_classifiers_give_logits(name, tmp_path):
    name = f'ppnas_mm.{name}'
    net = scramble(MODELS.build(classifier({'type': name, **NETWORKS[name]}))).eval()
    check(net, tmp_path / 'net.onnx', 'onnx')


def test_the_file_alone_recognises_digits(tmp_path, capsys):
    """Preprocessed as the notes in the file say, without mmpretrain."""
    path = tmp_path / 'digits.onnx'
    weights = [ZOO / 'derived.safetensors', '--genotype', ZOO / 'genotype.json']
    given = ['--format', 'onnx', '--size', 16, '--out', path]
    assert call('export.py', RETRAIN, *weights, *given) == 0
    assert 'output: logits' in capsys.readouterr().out
    (entry,) = onnx.load(path).metadata_props
    notes = json.loads(entry.value)
    assert notes['input'] == ['N', 3, 16, 16] and notes['output'] == 'logits'
    assert notes['genotype'] == json.loads((ZOO / 'genotype.json').read_text())
    data = Digits(split='test', pipeline=[])
    pixels = np.stack([data[i]['img'] for i in range(len(data))]).astype(np.float32)
    x = torch.from_numpy((pixels - notes['mean']) / notes['std']).float().permute(0, 3, 1, 2)
    (logits,) = run(path, 'onnx', x.contiguous())
    labels = torch.tensor([data[i]['gt_label'] for i in range(len(data))])
    assert int((logits.argmax(1) == labels).sum()) == 358  # 99.44 %, as the zoo says


def test_the_tool_exports_the_backbone_alone(tmp_path):
    weights = [ZOO / 'derived.safetensors', '--genotype', ZOO / 'genotype.json']
    given = ['--format', 'torchscript', '--size', 16, 24, '--out', tmp_path / 'b.pt', '--backbone']
    assert call('export.py', RETRAIN, *weights, *given) == 0
    maps = run(tmp_path / 'b.pt', 'torchscript', images(2, 3, 16, 24))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 16, 24), (128, 8, 12), (256, 4, 6)]


def test_a_graph_that_differs_is_not_written(tmp_path, monkeypatch):
    net = build_network('ppnas_mm.NASBench201Net')
    make, load = export.FORMATS['torchscript']
    off = lambda content: lambda x: [out * 1.001 for out in load(content)(x)]  # noqa: E731
    monkeypatch.setitem(export.FORMATS, 'torchscript', (make, off))
    path = tmp_path / 'net.pt'
    path.write_bytes(b'earlier')
    with pytest.raises(ExportError, match=r'net\.pt: not written: torchscript differs'):
        export_network(net, 'torchscript', path, (16, 16))
    assert path.read_bytes() == b'earlier' and len(list(tmp_path.iterdir())) == 1


def test_missing_library_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ImportError, match=r'pip install ppnas_mm\[export\]'):
        export_network(build_network('ppnas_mm.NASBench201Net'), 'onnx', tmp_path / 'x', (16, 16))


def test_a_detector_is_not_exported_whole(tmp_path, capsys):
    config = ROOT / 'configs/detection/retinanet_pp-resnet_digit-scenes.py'
    given = ['--format', 'onnx', '--out', tmp_path / 'x.onnx']
    assert call('export.py', config, tmp_path / 'no.pth', *given) == 2
    assert '--backbone exports the backbone' in capsys.readouterr().err
