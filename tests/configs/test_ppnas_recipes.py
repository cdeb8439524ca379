"""Recipes of PP-NAS: sizes of random networks (Table II), the row with a star, Table VI."""

import pytest
import torch
from config_files import load, scope

from ppnas_mm.registry import MODELS


@pytest.mark.parametrize('data', ['cifar10', 'cifar100'])
@pytest.mark.parametrize('tag', ['random', 'random-full'])
def test_random_networks_have_the_size_of_the_found_one(data: str, tag: str) -> None:
    """18.49 M, as all four that the authors drew; CIFAR-100: 90 classes of 1,025 weights more."""
    config = load(f'search/{tag}_{data}')
    with scope(config), torch.device('meta'):
        drawn = [MODELS.build({**config.model, 'seed': seed}) for seed in (0, 1)]
    more = 90 * 1025 if data == 'cifar100' else 0
    for algorithm in drawn:
        arch = sum(p.numel() for p in algorithm.arch_parameters().values())
        assert sum(p.numel() for p in algorithm.parameters()) - arch == 18_492_810 + more


def test_stable_weight_decay_is_that_of_the_row_with_a_star() -> None:
    for network in ('pp-resnet50', 'resnet50-vd', 'res2net50-vd'):
        config = load(f'classification/{network}_8xb128-aug-300e_in1k')
        assert config.optim_wrapper.optimizer.type == 'ppnas_mm.StableSGD'
        assert config.optim_wrapper.optimizer.weight_decay == 4e-5
    for network in ('pp-resnet50', 'resnet50-vd', 'res2net50-vd'):
        path = f'segmentation/deeplabv3plus_{network}-d8_90e_cityscapes'
        assert load(path).train_cfg.max_epochs == 90  # Table VI
