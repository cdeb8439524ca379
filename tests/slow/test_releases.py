"""Zips of full size that TensorFlow wrote, with the names of the releases: each entry from a
server to logits, a detector and the list.  Needs TensorFlow (see ``tests/helpers/tf_python.py``).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flaky import FlakyServer, flaky
from mmengine.optim import build_optim_wrapper
from releases import ENTRIES, KINDS, WORDS, digits
from tasks import detector, detector_batch
from tf_python import run_tensorflow
from tool import ROOT, call

from ppnas_mm import zoo
from ppnas_mm.convert.tf_bundle import Bundle
from ppnas_mm.registry import MODELS
from ppnas_mm.weights import fetch
from ppnas_mm.weights import index as zoo_index
from ppnas_mm.weights.checkpoint import CheckpointError
from ppnas_mm.zoo import model

COUNTS = {'first': (453, 437), 'second': (453, 437), 'resnet': (293, 277), 'res2net': (453, 437)}
"""Tensors of a release, and of the classifier that they become."""


@pytest.fixture(scope='module')
def zips(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Make the zip of a kind of network, once."""
    folder, made = tmp_path_factory.mktemp('zips'), {}

    def path(kind: str) -> Path:
        if kind not in made:
            run_tensorflow(ROOT / 'tests/helpers/tf_release.py', kind, folder / f'{kind}.zip')
            made[kind] = folder / f'{kind}.zip'
        return made[kind]

    return path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyServer]:
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    with flaky({}) as server:
        yield server


@torch.no_grad()
def logits_agree(name: str, recorded: Path) -> None:
    net = zoo.load(name)
    with np.load(recorded) as file:
        for i in range(len(file.files) // 2):
            images = torch.from_numpy(file[f'images{i}']).permute(0, 3, 1, 2).contiguous()
            expected = torch.from_numpy(file[f'logits{i}'])
            found = net(images, mode='tensor')
            assert expected.shape == (len(images), 1000) and expected.std() > 0.1
            assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize('name', KINDS)
def test_from_a_server_to_logits_and_a_detector(
    name: str,
    zips: Any,
    server: FlakyServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kind = KINDS[name]
    path = zips(kind)
    content = path.read_bytes()
    server.files['release.zip'] = content
    with Bundle(path) as bundle:
        assert sum('VARIABLE_VALUE' in key for key in bundle.slots) == COUNTS[kind][0]
    entry = {**ENTRIES[name], 'url': server.url('release.zip'), 'digits': digits(content)}
    folder = tmp_path / 'repository' / 'model_zoo'
    folder.mkdir(parents=True)
    (folder.parent / 'configs').symlink_to(ROOT / 'configs')
    (folder / 'index.json').write_text('{"schema": 1, "entries": []}')
    (folder / 'published.json').write_text(json.dumps({'schema': 1, 'entries': [entry]}))
    classes = (ROOT / 'model_zoo' / entry['classes']).read_text()
    (folder / entry['classes']).write_text(classes)
    for module in (fetch, model, zoo_index):
        monkeypatch.setattr(module, 'index_path', lambda: folder / 'index.json')
    monkeypatch.setenv('PPNAS_CACHE', str(tmp_path / 'cache'))

    assert call('download.py', name) == 0
    file = Path(capsys.readouterr().out.splitlines()[-1])
    assert file.parent == tmp_path / 'cache' and file.stat().st_size > 100e6
    assert call('download.py', '--list') == 0
    shown = capsys.readouterr().out
    assert name in shown and 'published by the authors' in shown
    logits_agree(name, Path(f'{path}.npz'))
    state = torch.nn.Module.state_dict(whole := zoo.load(name))
    tensors = [key for key in state if not key.endswith('num_batches_tracked')]
    assert len(tensors) == COUNTS[kind][1]
    assert whole.dataset_meta['classes'][0] == 'tench, Tinca tinca'

    init = dict(type='Pretrained', checkpoint=f'ppnas://{name}')
    settings = {**whole.cfg.model.backbone, 'out_indices': (0, 1, 2, 3), 'init_cfg': init}
    net = MODELS.build(detector(settings))
    net.init_weights()
    own = net.backbone.state_dict()
    assert all(torch.equal(own[k], v) for k, v in whole.backbone.state_dict().items())
    sgd = build_optim_wrapper(net, dict(optimizer=dict(type='SGD', lr=1e-4)))
    losses = net.train_step(detector_batch(), sgd)
    assert all(torch.isfinite(torch.as_tensor(value)).all() for value in losses.values())
    if kind in WORDS:
        other = dict(settings, arch={'first': 'pp_resnet_imagenet_g2'}.get(kind))
        with pytest.raises(CheckpointError, match='another genotype'):
            MODELS.build(other).init_weights()
    assert len(server.log) == 2
