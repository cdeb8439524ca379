"""``create_backbone`` and ``transform`` of weights that authors published."""

from pathlib import Path

import numpy as np
import pytest
import torch
from releases import KINDS, Release, digits, small, write_zoo

from ppnas_mm import zoo
from ppnas_mm.weights import fetch
from ppnas_mm.weights import index as zoo_index
from ppnas_mm.zoo import backbone, model, preprocess


@torch.no_grad()
@pytest.mark.parametrize('name', ['pp_resnet50.imagenet', 'res2net50-vd.imagenet'])
def test_a_backbone_and_its_preprocessing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Release(KINDS[name]).zip(tmp_path)
    place = tmp_path / f'w-{digits(content)}.zip'
    place.write_bytes(content)
    index = write_zoo(tmp_path / 'repository', small(name, content, place.as_uri()))
    monkeypatch.setenv('PPNAS_CACHE', str(tmp_path / 'cache'))
    for module in (fetch, zoo_index, backbone, model, preprocess):
        monkeypatch.setattr(module, 'index_path', lambda: index)
    arch, _, tag = name.partition('.')
    net = zoo.create_backbone(arch, pretrained=tag, out_indices=(1, 3), in_channels=4).eval()
    whole, x = zoo.load(name), torch.randn(1, 3, 65, 40)
    maps = net(torch.cat([x * 4 / 3, 0 * x[:, :1]], 1))  # undoes what is repeated and scaled
    for ours, theirs in zip(maps, whole.backbone(x)[1::2], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert net.classes == ('cat', 'dog', 'cat')
    assert net.normalisation['mean'] == (120, 110, 100, 120)
    found = zoo.transform(name)(np.full((80, 100, 3), (180, 60, 100), np.uint8))
    assert found.shape == (3, 64, 64)
    for channel, value in zip(found, (1, -1, 0), strict=True):  # mean 120 110 100, std 60 50 40
        assert (channel - value).abs().max() < 1e-5
