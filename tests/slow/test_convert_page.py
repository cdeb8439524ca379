"""Every command of the page "I have a checkpoint of X", on a made-up file of full size."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import tf_writer
import torch
from safetensors.torch import save_file
from tool import ROOT, call

from ppnas_mm.config.load import load_config
from ppnas_mm.config.model import build_model
from ppnas_mm.convert import to_format
from ppnas_mm.registry import MODELS
from ppnas_mm.weights.checkpoint import load_checkpoint

PAGE = (ROOT / 'docs/how_to/i_have_a_checkpoint.md').read_text()
COMMANDS = re.findall(r'^python tools/(convert\.py .+)$', PAGE, re.M)
FORMS = {
    'ppresnet.zip': 'keras-npz',
    'resnetvd50.zip': 'keras-npz',
    'res2netvd50.zip': 'keras-npz',
    'cifar10_model.pt': 'darts',
    'imagenet.pth.tar': 'darts',
    'best.pth.tar': 'cdarts',
    'cdarts_a.pth.tar': 'chain',
    '390.pth.tar': 'chain',
    'detector.pth': 'chain',
    'proxyless_gpu.pth': 'proxyless',
    'resnet50d.safetensors': 'timm',
    'resnetv1d50.pth': 'mmpretrain',
    'retinanet_r50-d.pth': 'mmdet',
}
"""By file: the names that its tensors have."""


def network(words: list[str]) -> Any:
    """The network of a command, with values of its own."""
    torch.manual_seed(1)
    if '--arch' in words:
        return MODELS.build(dict(type='ppnas_mm.ChainNet', arch=words[words.index('--arch') + 1]))
    model = build_model(load_config(ROOT / words[words.index('--config') + 1]))
    return model.backbone if '--backbone-only' in words else model


def write(path: Path, state: dict[str, torch.Tensor], inside: bool) -> None:
    """Write a checkpoint as its makers do; ``inside`` a detector."""
    if path.suffix == '.zip':
        tensors = {f'model/{key}': value.numpy() for key, value in state.items()}
        tf_writer.write_zip(path, *tf_writer.bundle(tensors))
    elif path.suffix == '.safetensors':
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        state = {f'backbone.{key}' if inside else key: value for key, value in state.items()}
        more = {'neck.convs.0.weight': torch.ones(1)} if inside else {}
        torch.save({'state_dict': {**state, **more}, 'epoch': 3}, path)


def test_the_page_has_every_source() -> None:
    assert [shlex.split(line)[1] for line in COMMANDS] == list(FORMS)


@pytest.mark.parametrize('line', COMMANDS, ids=list(FORMS))
def test_a_command_of_the_page(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool, source, target, *words = shlex.split(line)
    model = network(words)
    inside = 'backbone' in target
    write(tmp_path / source, to_format(model, FORMS[source]), inside)
    given = [str(ROOT / word) if word.startswith('configs/') else word for word in words]
    monkeypatch.chdir(tmp_path)
    assert call(tool, source, target, *given) == 0
    assert f'format {FORMS[source]}' in capsys.readouterr().out
    found = load_checkpoint(tmp_path / target)['state_dict']
    for key, value in model.state_dict().items():
        if not key.endswith('num_batches_tracked'):
            torch.testing.assert_close(found[key], value, rtol=0, atol=1e-6)
