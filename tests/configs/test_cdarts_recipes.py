"""The numbers of CDARTS' presets: tables written by hand from paper and scripts."""

from typing import Any

import pytest
from config_files import NAMES, build_model, load, scope, shrink

POOLS = ('max_pool_3x3', 'avg_pool_3x3', 'skip_connect')
SKIP = ('skip_connect',)

KEYS = (
    'batch', 'cells', 'channels', 'combine', 'pool_norm',
    'loss', 'ensemble', 'shares', 'heads_learn', 'lambda',
    'l1', 'l1_ops', 'l1_reduction', 'l1_epochs',
    'warmup', 'separate', 'cycles', 'rates', 'joint',
    'momentum', 'decay', 'adam', 'adam_betas', 'adam_decay', 'clip',
)  # fmt: skip

CIFAR = (64, (8, 20), 16)
IMAGENET = (128, (8, 14), 16)
NB201 = (64, (5, 5), 16)
SMOOTH = ('smooth_l1', 'mean-of-losses', 'learned')
PAPER = ('kl', 'sum', None, True, 4.0)
ADAM = (3e-4, (0.5, 0.99))
SCRIPTS = (3e-4, (0.5, 0.999))

PRESETS: dict[str, tuple] = {
    'cifar10': (
        *CIFAR, 'mean', False, *SMOOTH, False, 1.0, 5.0, POOLS, 'sum', 20,
        2, 1, 30, (0.08, 0.08), 'evaluation', 0.9, 3e-4, *SCRIPTS, 0, 5,
    ),
    'cifar10_paper': (
        *CIFAR, 'sum', True, *PAPER, 5.0, SKIP, 'sum', 20,
        0, 1, 30, (0.1, 0.1), 'joint', 0.9, 3e-4, *ADAM, 3e-4, 5,
    ),
    'imagenet': (
        *IMAGENET, 'mean', False, 'kl_mean', 'mean-of-losses', 'learned', True, 1.0,
        5.0, POOLS, 'sum', 15, 10, 3, 30, (0.8, 0.8), 'evaluation', 0.9, 1e-5, *SCRIPTS, 1e-5, 5,
    ),
    'imagenet_paper': (
        *IMAGENET, 'sum', True, *PAPER, 5.0, SKIP, 'sum', 20,
        10, 3, 30, (0.8, 0.8), 'joint', 0.9, 3e-5, *ADAM, 3e-5, 5,
    ),
    'nasbench201': (
        *NB201, None, False, *SMOOTH, True, 1.0, 5.0, ('none',), 'mean', 33,
        0, 1, 50, (0.08, 0.08), 'evaluation', 0.9, 3e-4, *SCRIPTS, 0, 5,
    ),
    'nasbench201_paper': (
        *NB201, None, False, *PAPER, 0.0, ('none',), 'mean', 33,
        0, 1, 50, (0.1, 0.1), 'joint', 0.9, 3e-4, *ADAM, 3e-4, 5,
    ),
    'chain_imagenet': (
        128, None, None, None, False, 'kl_mean', 'mean-of-losses', 'learned', True, 1.0,
        0.0, (), 'sum', 15, 10, 3, 30, (0.5, 0.5), 'evaluation', 0.9, 4e-5, *SCRIPTS, 1e-5, 5,
    ),
}  # fmt: skip
"""Paper: Table 1, Sections 4.1 and 4.6.1, Fig. 2, eq. 8 to 11; without L1 on NAS-Bench-201 (4.2).
Scripts: the authors' ``run_search_*.sh`` for one GPU (CIFAR-10, NAS-Bench-201) and eight
(ImageNet); their L1 counts every edge of the DARTS space three times, here once.  ``separate`` is
S_E in epochs.
"""


def facts(config: Any) -> dict[str, Any]:
    """What a search config says about :data:`KEYS`."""
    model, optim = config.model, config.optim_wrapper
    backbone, distillation = model.model.backbone, model.distillation
    evaluation = {**backbone, **model.evaluation}
    size = 'cells_per_stage' if 'cells_per_stage' in backbone else 'num_cells'
    taught = [optim[part].optimizer for part in ('weights', 'evaluation')]
    clips = {optim[part].clip_grad.max_norm for part in optim if part != 'constructor'}
    assert {rate.type for rate in taught} == {'SGD'} and len(clips) == 1
    assert taught[0].momentum == taught[1].momentum
    assert taught[0].weight_decay == taught[1].weight_decay
    adam = optim.arch.optimizer
    assert 'joint' not in optim or optim.joint.optimizer == adam  # Section 4.1: for both
    warmup, separate = model.get('warmup_epochs', 0), model.get('separate_epochs', 1)
    cycles = (config.train_cfg.max_epochs - warmup) / (separate + 1)
    values = (
        config.train_dataloader.batch_size,
        (backbone[size], evaluation[size]) if size in backbone else None,
        backbone.get('init_channels'),
        backbone.get('combine'),
        backbone.get('pool_norm', False),
        distillation.loss,
        distillation.get('ensemble', 'mean-of-losses'),
        distillation.get('shares', 'learned'),
        not distillation.get('freeze_heads', False),
        model.get('distill_weight', 1.0),
        model.l1_weight,
        tuple(model.l1_ops),
        model.get('l1_reduction', 'sum'),
        model.l1_epochs,
        warmup,
        separate,
        cycles,
        tuple(rate.lr for rate in taught),
        model.get('joint_optimizer', 'evaluation'),
        taught[0].momentum,
        taught[0].weight_decay,
        adam.lr,
        tuple(adam.betas),
        adam.weight_decay,
        clips.pop(),
    )
    return dict(zip(KEYS, values, strict=True))


@pytest.mark.parametrize('name', PRESETS)
def test_a_preset_has_the_numbers_of_its_source(name: str) -> None:
    assert facts(load(f'search/cdarts_{name}')) == dict(zip(KEYS, PRESETS[name], strict=True))


@pytest.mark.parametrize('name', PRESETS)
def test_the_temperature(name: str) -> None:
    """T = 2, in the paper and in every script; the stem is shared in all."""
    config = shrink(load(f'search/cdarts_{name}'))
    with scope(config):
        model = build_model(config)
    assert model.distillation.temperature == 2
    for part in model.super_net.stem_blocks:
        theirs = model.evaluation.backbone.get_submodule(part)
        assert theirs is model.super_net.get_submodule(part)


def test_every_full_preset_has_its_numbers() -> None:
    small = ('digits', '20k', 'imagenet_no-', 'imagenet_frozen')
    names = [n for n in NAMES if n.startswith('search/cdarts_')]
    assert {n for n in names if not any(s in n for s in small)} == {
        f'search/cdarts_{name}' for name in PRESETS
    }


def test_the_chain_search_keeps_to_the_size_of_cdarts_a() -> None:
    """297.7 M multiply-adds with channel attention and classifier, see ``test_chain.py``."""
    model = load('search/cdarts_chain_imagenet').model
    low, high = model.limits.flops
    assert low < 297.7e6 < high < 1.04 * low
    assert tuple(model.limits.input_shape) == (3, 224, 224)
    assert model.model.backbone.get('depths', (4, 4, 5, 4, 4)) == (4, 4, 5, 4, 4)


ABLATIONS: dict[str, dict[str, Any]] = {
    'frozen': {'joint_optimizer': None},
    'no-level1': {'levels': [1, 2]},
    'no-level2': {'levels': [0, 2]},
    'no-logits': {'levels': [0, 1]},
    'no-l1': {'l1_weight': 0},
    'no-distillation': {'distill_weight': 0},
}
"""Table 7 and Section 4.5: objectives without a term, w_E frozen, one level less of Fig. 2."""


@pytest.mark.parametrize('data', ['digits', 'imagenet'])
@pytest.mark.parametrize('tag', ABLATIONS)
def test_ablations_of_table_7(data: str, tag: str) -> None:
    def said(name: str) -> dict[str, Any]:
        config = shrink(load(f'search/{name}'))
        with scope(config):
            model = build_model(config)
        chosen = {'levels': model.distillation.chosen}
        keys = ('joint_optimizer', 'l1_weight', 'distill_weight')
        return chosen | {key: getattr(model, key) for key in keys}

    whole = said(f'cdarts_{data}')
    assert whole == {
        'levels': [0, 1, 2], 'joint_optimizer': 'evaluation', 'l1_weight': 5, 'distill_weight': 1,
    }  # fmt: skip
    assert said(f'cdarts_{data}_{tag}') == whole | ABLATIONS[tag]


def test_statistics_of_the_images() -> None:
    """CDARTS' authors divide CIFAR by .2470, .2435, .2616 everywhere, the big model included."""
    names = [n for n in NAMES if 'cdarts' in n and '_cifar10' in n and '20k' not in n]
    names.remove('classification/cdarts-net_cifar100')
    assert 'classification/cdarts-big_cifar10' in names
    for name in names:
        std = load(name).data_preprocessor.std
        assert std == pytest.approx([0.2470 * 255, 0.2435 * 255, 0.2616 * 255], abs=0.01), name
