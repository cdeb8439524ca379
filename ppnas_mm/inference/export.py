"""Export to ONNX, TorchScript and ``torch.export`` files, each compared with torch.

A graph takes a normalised image batch ``(N, C, H, W)`` with any N and the C of the network; H and W
are fixed, unless any size is requested.  A classifier returns logits ``(N, classes)``, a
backbone its feature maps.  The graph is that of the deployed form, compared with the plain one.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..config.keys import ConfigError, type_name
from ..config.load import library
from ..layers.deploy import switch_to_deploy
from ..utils.compat import require
from ..utils.files import write_atomic
from .demo import load_model

TOLERANCE = 1e-4
BATCHES = (1, 3)  # sizes to check with; the graph is made with another one
NOTES = 'ppnas_mm.json'
Run = Callable[[Tensor], list[Tensor]]


class ExportError(RuntimeError):
    """A network that cannot be exported, or whose graph computes different outputs."""


class Plain(nn.Module):
    """A network as a function of one tensor: logits of a classifier, or maps of a backbone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute logits or maps; one map is returned as it is."""
        out = self.network(images)
        return out[0] if isinstance(out, (tuple, list)) and len(out) == 1 else out


def _outputs(out: Any) -> list[Tensor]:
    return list(out) if isinstance(out, (tuple, list)) else [out]


@torch.no_grad()
def image_channels(network: nn.Module) -> int:
    """Return the image channels of a network: those of its first convolution, or 3.

    A stem that first folds pixels into channels (mmdet's ``Focus``) has more there.
    """
    net = getattr(network, 'backbone', None) or network
    weighted = ((m, getattr(m, 'weight', None)) for m in net.modules())
    convs = ((m, w) for m, w in weighted if isinstance(w, Tensor) and w.dim() == 4)
    conv, weight = next(convs, (None, None))
    channels = 3 if weight is None else int(getattr(conv, 'in_channels', weight.shape[1]))
    if weight is None or channels <= 3:
        return channels
    training = net.training
    try:
        net.eval()(weight.new_zeros(1, 3, 64, 64))
    except RuntimeError:
        return channels
    finally:
        net.train(training)
    return 3


def _sizes(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return three image sizes to check a dynamic graph; the last one is that of its trace."""
    height, width = size
    return [size, (2 * height, 2 * width - 1), (height + height // 2 + 1, width + width // 2)]


def _onnx(net: nn.Module, images: Tensor, notes: dict[str, Any], free: tuple[int, ...]) -> bytes:
    """Trace with the classic exporter: the dynamo one takes 5 to 25 times as long here."""
    onnx, _ = require('onnx'), require('onnxruntime')
    found = _outputs(net(images))
    outputs = ['output'] if len(found) == 1 else [f'map{i}' for i in range(len(found))]
    axes = {'images': {axis: ('batch', '', 'height', 'width')[axis] for axis in free}}
    for name, out in zip(outputs, found, strict=True):
        places = {0: 'batch', 2: f'{name}_height', 3: f'{name}_width'}
        axes[name] = {axis: places[axis] for axis in free if axis < out.dim()}
    buffer = io.BytesIO()
    torch.onnx.export(  # the classic exporter takes buffers, whatever its types say
        net, (images,), buffer,  # type: ignore[arg-type]
        dynamo=False, input_names=['images'], output_names=outputs,
        dynamic_axes=axes,
    )  # fmt: skip
    model = onnx.load_from_string(buffer.getvalue())
    onnx.helper.set_model_props(model, {NOTES: json.dumps(notes)})
    return model.SerializeToString()


def _run_onnx(content: bytes) -> Run:
    runtime = require('onnxruntime')
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    return lambda images: [
        torch.from_numpy(out) for out in session.run(None, {'images': images.numpy()})
    ]


def _torchscript(
    net: nn.Module, images: Tensor, notes: dict[str, Any], free: tuple[int, ...]
) -> bytes:
    """Trace; a trace of these networks follows the size of the images by itself."""
    buffer = io.BytesIO()
    traced = torch.jit.trace(net, images, check_trace=False)  # it is checked below
    torch.jit.save(traced, buffer, {NOTES: json.dumps(notes)})
    return buffer.getvalue()


def _run_torchscript(content: bytes) -> Run:
    module = torch.jit.load(io.BytesIO(content))
    return lambda images: _outputs(module(images))


def _pt2(net: nn.Module, images: Tensor, notes: dict[str, Any], free: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    shapes = (dict.fromkeys(free, torch.export.Dim.DYNAMIC),)
    program = torch.export.export(net, (images,), dynamic_shapes=shapes)
    torch.export.save(program, buffer, extra_files={NOTES: json.dumps(notes)})
    return buffer.getvalue()


def _run_pt2(content: bytes) -> Run:
    module = torch.export.load(io.BytesIO(content)).module()
    return lambda images: _outputs(module(images))


FORMATS: dict[str, tuple[Callable[..., bytes], Callable[[bytes], Run]]] = {
    'onnx': (_onnx, _run_onnx),
    'torchscript': (_torchscript, _run_torchscript),
    'pt2': (_pt2, _run_pt2),
}
"""How each format is written and run."""


def _difference(net: nn.Module, run: Run, channels: int, size: tuple[int, int]) -> float:
    """Largest absolute difference, relative to the largest output if that is above one."""
    worst = 0.0
    generator = torch.Generator().manual_seed(0)
    for batch in BATCHES:
        images = torch.randn(batch, channels, *size, generator=generator)
        shape = ' x '.join(map(str, images.shape))
        expected = _outputs(net(images))
        try:
            found = run(images)
        except Exception as error:
            raise ExportError(f'the graph does not take images {shape}: {_line(error)}') from None
        if [x.shape for x in expected] != [x.shape for x in found]:
            shapes = [tuple(x.shape) for x in found]
            raise ExportError(f'images {shape} give outputs of the shapes {shapes}')
        for want, got in zip(expected, found, strict=True):
            scale = max(1.0, want.abs().max().item())
            difference = (want - got).abs().max().item() / scale
            worst = max(worst, difference if difference == difference else float('inf'))
    return worst


def _line(error: Exception) -> str:
    """Return the first line of an error of an exporter or a runtime, shortened."""
    return f'{(str(error).strip() or type(error).__name__).splitlines()[0]:.200}'


@torch.no_grad()
def export_network(
    network: nn.Module,
    file_format: str,
    path: str | Path,
    size: tuple[int, int] = (224, 224),
    notes: dict[str, Any] | None = None,
    dynamic_size: bool = False,
) -> float:
    """Export a classifier or backbone; write the file only if its outputs are those of torch.

    The bytes of the file are loaded again and compared on batches of :data:`BATCHES` random images,
    of as many channels as the network takes.

    Args:
        network: A classifier of mmpretrain, or a backbone; put in evaluation mode, on the CPU.
        file_format: One of :data:`FORMATS`.
        path: File to write, atomically.
        size: Height and width of the images, in pixels.
        notes: JSON data stored in the file under the name :data:`NOTES`.
        dynamic_size: Whether the graph takes images of any size; it is compared at this size and
            two larger ones, one of them odd.  A ``'pt2'`` file may refuse smaller images.

    Returns:
        The largest absolute difference of an output from torch's, in units of the largest output
        where that is above one.

    Raises:
        ExportError: If the network cannot be exported, the graph does not take images of a size, or
            the difference is above :data:`TOLERANCE`.
        ImportError: If a library of the format is missing; the message gives the pip command.
    """
    if file_format not in FORMATS:
        raise ConfigError(f'format {file_format!r}: expected one of {list(FORMATS)}')
    make, load = FORMATS[file_format]
    net = Plain(network.cpu().eval()).eval()
    deployed = switch_to_deploy(copy.deepcopy(net))
    channels, sizes = image_channels(network), _sizes(size) if dynamic_size else [size]
    example = torch.zeros(2, channels, *sizes[-1])
    try:
        content = make(deployed, example, notes or {}, (0, 2, 3) if dynamic_size else (0,))
    except ImportError:
        raise
    except Exception as error:
        raise ExportError(f'{path}: not written: {file_format}: {_line(error)}') from error
    run = load(content)
    try:
        difference = max(_difference(net, run, channels, size) for size in sizes)
    except ExportError as error:
        raise ExportError(f'{path}: not written: {file_format}: {error}') from None
    if difference > TOLERANCE:
        raise ExportError(
            f'{path}: not written: {file_format} differs from torch by {difference:.1e}, '
            f'more than {TOLERANCE:.0e}'
        )
    write_atomic(path, content)
    return difference


def _per_channel(values: Any, default: float, channels: int, name: str) -> list[float]:
    """Return a number for each channel of the images.

    Raises:
        ConfigError: If the config has another number of them.
    """
    given = list(values) if values else [default]
    if len(given) not in (1, channels):
        raise ConfigError(
            f'data_preprocessor.{name} has {len(given)} numbers, but the network takes images of '
            f'{channels} channels; expected 1 or {channels}'
        )
    return given * channels if len(given) == 1 else given


def _notes(
    config: Any, model: Any, backbone: bool, size: tuple[int, int], dynamic_size: bool
) -> dict[str, Any]:
    """Describe inputs and outputs of the graph."""
    channels = image_channels(model)
    preprocessor = {**(config.get('data_preprocessor') or {})}
    preprocessor.update(config.model.get('data_preprocessor') or {})
    swapped = preprocessor.get('to_rgb', preprocessor.get('bgr_to_rgb', False))
    order = 'RGB' if swapped else 'as read (BGR from a file)'
    genotype = getattr(model.backbone, 'genotype', None)
    return {
        'input': ['N', channels, *(('H', 'W') if dynamic_size else size)],
        'channels': {1: 'grey', 3: order}.get(channels, 'as read'),
        'mean': _per_channel(preprocessor.get('mean'), 0.0, channels, 'mean'),
        'std': _per_channel(preprocessor.get('std'), 1.0, channels, 'std'),
        'output': 'feature maps' if backbone else 'logits',
        'genotype': genotype.to_dict() if genotype is not None else None,
    }


def export_checkpoint(
    config: Any,
    checkpoint: str | Path,
    file_format: str,
    path: str | Path,
    size: tuple[int, int] = (224, 224),
    backbone: bool = False,
    dynamic_size: bool = False,
) -> tuple[float, dict[str, Any]]:
    """Export the classifier of a config, or the backbone of any model, with a checkpoint's weights.

    Args:
        config: A loaded config.
        checkpoint: ``.pth`` or ``.safetensors`` that fits the whole model.
        file_format, path, size, dynamic_size: See :func:`export_network`.
        backbone: Whether to export the backbone alone.

    Returns:
        The difference that :func:`export_network` returns, and the notes stored in the file.

    Raises:
        ConfigError: If the model is not a classifier and ``backbone`` is not set, or the
            normalisation has another number of channels than the network.
        CheckpointError: If the checkpoint does not fit.
    """
    if not backbone and library(config) != 'mmpretrain':
        raise ConfigError(
            'only whole classifiers can be exported; --backbone exports the backbone of any model'
        )
    model = load_model(config, checkpoint, 'cpu')
    if not hasattr(model, 'backbone'):
        raise ConfigError(f'{type_name(config.model)} has no backbone; export the derived network')
    notes = _notes(config, model, backbone, size, dynamic_size)
    network = model.backbone if backbone else model
    return export_network(network, file_format, path, size, notes, dynamic_size), notes
