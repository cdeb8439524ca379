"""The numbers of the search and classification recipes: what the papers say, field by field.

:data:`PAPER`, :data:`ABLATIONS`, :data:`PARAMETERS` and :data:`MILLIONS` hold numbers that papers
print, or that the authors' own code gave.
"""

import re
from typing import Any

import pytest
import torch
from config_files import NAMES, build_model, classifier, load, scope, shrink, weights_part

from ppnas_mm.algorithms import PPNAS, SENAS, SPOS
from ppnas_mm.registry import MODELS

CIFAR = dict(lr=0.1, decay=5e-4, batch=128, warmup=0, smoothing=0, test=32)
IMAGENET = dict(lr=0.4, batch=1024, warmup=5, smoothing=0.1, cutout=0, test=224)
ARCH = dict(arch_lr=1e-3, arch_betas=(0.9, 0.999), arch_decay=0)
PLAIN = dict(augment=(), cutout=0, mixup=0)
STRONG = dict(augment=('CIFARAutoAugment',), cutout=16)
SEARCH = dict(**CIFAR, **ARCH, **STRONG, epochs=300, mixup=0, l2=5e-4, depth=110)
STANDARD = dict(**CIFAR, **PLAIN, epochs=200, depth=110)
AUGMENTED = dict(**CIFAR, **STRONG, epochs=600, mixup=0.2, depth=110)
IN1K = dict(**IMAGENET, decay=1e-4, epochs=120, augment=(), mixup=0, train=224)
IN1K_AUGMENTED = dict(
    **{**IMAGENET, 'optimizer': 'ppnas_mm.StableSGD'},
    decay=4e-5,
    epochs=300,
    augment=('RandAugment',),
    train=160,
)
DARTS_CIFAR = dict(
    lr=0.025,
    decay=5e-4,
    batch=128,
    warmup=0,
    epochs=600,
    smoothing=0,
    augment=(),
    jitter=None,
    cutout=16,
    mixup=0,
    test=32,
    channels=36,
    cells=20,
    drop_path=0.3,
    auxiliary=0.4,
    clip=5,
)
DARTS_BIG = {'channels': 50, 'epochs': 2000, 'augment': ('CIFARAutoAugment',), 'mixup': 0.2}
DARTS_IN1K = dict(
    lr=0.5,
    decay=3e-5,
    batch=1024,
    warmup=5,
    epochs=250,
    smoothing=0.1,
    augment=(),
    jitter=(0.4, 0.4, 0.4, 0.2),
    cutout=0,
    mixup=0,
    train=224,
    test=224,
    channels=48,
    cells=14,
    drop_path=0,
    auxiliary=0.4,
    clip=5,
)
DARTS_IN1K_BIG = {
    'channels': 96,
    'augment': ('AutoAugment',),
    'jitter': None,
    'mixup': 0.2,
    'train': 320,
    'test': 320,
}
CHAIN = dict(
    optimizer='RMSprop',
    lr=0.04,
    decay=1e-5,
    batch=1024,
    warmup=3,
    epochs=350,
    augment=('AutoAugment',),
    mixup=0,
    dropout=0.2,
    test=224,
)

SENAS_IN1K = dict(
    lr=0.5,
    decay=4e-5,
    batch=1024,
    warmup=0,
    epochs=240,
    schedule=('LinearLR', None),
    clip=5,
    smoothing=0.1,
    augment=(),
    jitter=None,
    cutout=0,
    mixup=0,
    train=224,
    test=224,
)
SENAS_SEARCH = {**SENAS_IN1K, 'epochs': 150}
SENAS_NB201 = dict(batch=256, epochs=60, smoothing=0, test=32)

PAPER: dict[str, dict[str, Any]] = {
    'search/ppnas_cifar10': SEARCH,
    'search/ppnas_cifar100': SEARCH,
    'search/ppnas_imagenet': dict(**IN1K, **ARCH, l2=1e-4, depth=50),
    'search/random_cifar10': STANDARD,
    'search/random-full_cifar10': STANDARD,
    'search/random_cifar100': STANDARD,
    'search/random-full_cifar100': STANDARD,
    **{
        f'search/ppnas_{data}_{tag}': SEARCH
        for data in ('cifar10', 'cifar100')
        for tag in ('no-conn', 'no-zero-one', 'l2-only')
    },
    'search/ppnas_cifar10_ce-only': {**SEARCH, 'l2': 0},
    'search/ppnas_cifar100_ce-only': {**SEARCH, 'l2': 0},
    **{
        f'classification/{network}110{tag}_cifar{classes}': setting
        for network in ('pp-resnet', 'resnet', 'resnext', 'res2net')
        for tag, setting in (('', STANDARD), ('_aug', AUGMENTED))
        for classes in (10, 100)
    },
    **{
        f'classification/{network}_8xb128{tag}_in1k': setting
        for network in ('pp-resnet50', 'pp-resnet101', 'resnet50-vd', 'res2net50-vd')
        for tag, setting in (('', IN1K), ('-aug-300e', IN1K_AUGMENTED))
    },
    **{f'classification/{n}-vd-authors_8xb128_in1k': IN1K for n in ('resnet50', 'res2net50')},
    'classification/cdarts-net_cifar10': dict(**DARTS_CIFAR, arch='cdarts_cifar10'),
    'classification/cdarts-net_cifar100': dict(**DARTS_CIFAR, arch='cdarts_cifar10'),
    'classification/darts-v1_cifar10': {**DARTS_CIFAR, 'arch': 'darts_v1', 'decay': 3e-4},
    'classification/darts-v2_cifar10': {**DARTS_CIFAR, 'arch': 'darts_v2', 'decay': 3e-4},
    'classification/pdarts_cifar10': {**DARTS_CIFAR, 'arch': 'pdarts', 'decay': 3e-4},
    'classification/pcdarts_cifar10': dict(**DARTS_CIFAR, arch='pcdarts_cifar10'),
    'classification/eoinas-net_cifar10': {**DARTS_CIFAR, 'arch': 'eoinas_cifar10', 'decay': 3e-4},
    'classification/eoinas-net_cifar100': {**DARTS_CIFAR, 'arch': 'eoinas_cifar10', 'decay': 3e-4},
    'classification/eoinas_1xb128_in1k': {
        **DARTS_IN1K,
        'arch': 'eoinas_cifar10',
        'lr': 0.1,
        'batch': 128,
        'warmup': 0,
        'schedule': ('ExponentialLR', 0.97),
    },
    'classification/gdas-net_cifar10': {**DARTS_CIFAR, 'arch': 'gdas', 'decay': 3e-4},
    'classification/cdarts-big_cifar10': {**DARTS_CIFAR, **DARTS_BIG, 'arch': 'cdarts_cifar10'},
    'classification/cdarts_8xb128_in1k': dict(**DARTS_IN1K, arch='cdarts_imagenet'),
    'classification/cdarts-ms_8xb128_in1k': {**DARTS_IN1K, 'channels': 44},
    'classification/darts-v2_8xb128_in1k': dict(**DARTS_IN1K, arch='darts_v2'),
    'classification/pdarts_8xb128_in1k': dict(**DARTS_IN1K, arch='pdarts'),
    'classification/pcdarts_8xb128_in1k': dict(**DARTS_IN1K, arch='pcdarts_imagenet'),
    'classification/cdarts-big_8xb128_in1k': {**DARTS_IN1K, **DARTS_IN1K_BIG},
    'classification/cdarts-a_8xb128-350e_in1k': dict(**CHAIN, arch='cdarts_a'),
    'classification/cdarts-b_8xb128-350e_in1k': dict(**CHAIN, arch='cdarts_b'),
    'classification/mobilenas_8xb128-240e_in1k': dict(**SENAS_IN1K, arch='proxylessnas_gpu'),
    'classification/senas-net_cifar10': dict(**CIFAR, **PLAIN, epochs=200),
    'classification/senas_nasbench201_cifar10': {**CIFAR, **PLAIN, 'epochs': 200, 'batch': 256},
    **{
        f'search/{name}_imagenet{tag}': SENAS_SEARCH
        for name, tags in (
            ('senas', ('_250m', '_320m', '_470m', '_17ms', '_22ms', '_si', '_no-expand')),
            ('spos', ('',)),
            ('fairnas', ('',)),
        )
        for tag in tags
    },
    'search/senas_imagenet_590m': {**SENAS_SEARCH, 'epochs': 185},
    'search/senas_fairnas_imagenet': {**SENAS_SEARCH, 'epochs': 125},
    'search/senas_nasbench201': SENAS_NB201,
    'search/spos_nasbench201': SENAS_NB201,
}
"""PP-NAS: Sections IV-A to IV-C.  CDARTS: Sections 4.3, 4.4 and 4.6; the jitter and the clip are
its authors' code.  The ratio of Mixup is not stated by PP-NAS for ImageNet, nor by CDARTS.  EoiNAS:
Sections IV-C and IV-D; channels, jitter, clip and the factor of the rate are its authors' code.
SE-NAS: Section 4.3; clip and smoothing are the code of AngleNAS, whose setting it follows, and the
epochs of its searches ours, but for the stages.  On CIFAR it has no recipe of the mobile space:
that is PP-NAS'; the retraining of a NAS-Bench-201 cell is the benchmark's.
"""

PARAMETERS = {
    'classification/pp-resnet110_cifar10': 18_492_810,
    'classification/res2net110_cifar10': 18_492_810,
    'classification/resnet110_cifar10': 18_123_082,
    'classification/resnext110_cifar10': 18_110_282,
    'classification/pp-resnet110_cifar100': 18_585_060,
    'classification/pp-resnet50_8xb128_in1k': 25_718_352,
    'classification/res2net50-vd_8xb128_in1k': 25_718_352,
}
"""PP-NAS, Tables I and III print them in millions."""

MILLIONS = {
    'classification/cdarts-net_cifar10': 3.859,
    'classification/darts-v1_cifar10': 3.169,
    'classification/darts-v2_cifar10': 3.349,
    'classification/pdarts_cifar10': 3.434,
    'classification/pcdarts_cifar10': 3.635,
    'classification/cdarts_8xb128_in1k': 6.360,
    'classification/cdarts-ms_8xb128_in1k': 5.436,
    'classification/darts-v2_8xb128_in1k': 4.719,
    'classification/pdarts_8xb128_in1k': 4.944,
    'classification/pcdarts_8xb128_in1k': 5.342,
    'classification/cdarts-a_8xb128-350e_in1k': 6.994,
    'classification/cdarts-b_8xb128-350e_in1k': 6.465,
    'classification/mobilenas_8xb128-240e_in1k': 7.120,
}
"""Parameters without the auxiliary tower: of cells as the code of CDARTS' authors counts them, of
the chains by arithmetic from its Fig. 7 and that code (the paper prints 7.0 and 6.4), of
ProxylessNAS-GPU as its authors' log says (7.12).
"""

ABLATIONS = {
    '': (1, 1, 5e-4),
    '_no-conn': (1, 0, 5e-4),
    '_no-zero-one': (0, 1, 5e-4),
    '_l2-only': (0, 0, 5e-4),
    '_ce-only': (0, 0, 0),
}
"""Table VIII: the weights of the zero-one, the connection-existence and the L2 loss."""


def randaugment_is_the_papers(train: dict[str, Any]) -> bool:
    """Whether RandAugment, where there is one, has the paper's two layers of magnitude 10."""
    step = train.get('RandAugment', dict(num_policies=2, magnitude_level=10))
    return (step['num_policies'], step['magnitude_level']) == (2, 10)


def facts(name: str) -> dict[str, Any]:
    """What a config says about the things that the papers state."""
    config = load(name)
    optim, schedulers = weights_part(config)
    assert optim.optimizer.momentum == 0.9
    model, loader = classifier(config), config.train_dataloader
    backbone, head = model.backbone, model.head
    train = {t.type.split('.')[-1]: t for t in loader.dataset.pipeline}
    test = {t.type: t for t in config.test_dataloader.dataset.pipeline}
    assert randaugment_is_the_papers(train)
    if 'RandomCrop' in train and train['RandomCrop'].crop_size == 32:
        assert train['RandomCrop'].padding == 4
    jitter, clip = train.get('ColorJitter'), optim.get('clip_grad', {})
    gpus = 8 if loader.dataset.type == 'ImageNet' and '_1xb' not in name else 1
    found = dict(
        epochs=config.train_cfg.max_epochs,
        optimizer=optim.optimizer.type,
        lr=optim.optimizer.lr,
        decay=optim.optimizer.weight_decay,
        batch=loader.batch_size * gpus,
        warmup=sum(s.end - s.begin for s in schedulers[:-1]),
        schedule=tuple(schedulers[-1].get(key) for key in ('type', 'gamma')) if schedulers else (),
        clip=clip.get('max_norm', clip.get('clip_value', 0)),
        smoothing=head.loss.get('label_smooth_val', 0),
        mixup=model.get('train_cfg', {}).get('augments', {}).get('alpha', 0),
        cutout=train['Cutout'].shape if 'Cutout' in train else 0,
        augment=tuple(t for t in train if 'Augment' in t),
        jitter=jitter and (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue),
        depth=backbone.get('depth'),
        cells=backbone.get('num_cells'),
        channels=backbone.get('init_channels'),
        drop_path=backbone.get('drop_path_rate', 0),
        auxiliary=head.get('aux_weight', 0),
        dropout=head.get('dropout_rate', 0),
        arch=backbone.get('arch'),
        train=train['RandomResizedCrop'].scale if 'RandomResizedCrop' in train else 32,
        test=test['CenterCrop'].crop_size if 'CenterCrop' in test else 32,
    )
    if 'arch' in config.optim_wrapper:
        arch = config.optim_wrapper.arch.optimizer
        assert arch.type == 'Adam'
        found['arch_lr'], found['arch_betas'] = arch.lr, tuple(arch.betas)
        found['arch_decay'] = arch.get('weight_decay', 0)
        found['l2'] = config.model.get('l2_weight')
    return found


@pytest.mark.parametrize('name', PAPER)
def test_is_the_papers(name: str) -> None:
    found = facts(name)
    expected = {'optimizer': 'SGD', **PAPER[name]}
    assert {key: found[key] for key in expected} == expected


def test_every_full_recipe_has_its_numbers() -> None:
    full = {n for n in NAMES if n.endswith(('_in1k', '_cifar10', '_cifar100'))}
    assert {n for n in full if n.startswith('classification')} <= set(PAPER)


@pytest.mark.parametrize('name', [*PARAMETERS, *MILLIONS])
def test_parameters(name: str) -> None:
    config = load(name)
    with scope(config), torch.device('meta'):
        model = build_model(config)
    counts = {key: value.numel() for key, value in model.named_parameters()}
    if name in PARAMETERS:
        assert sum(counts.values()) == PARAMETERS[name]
    else:
        tower = sum(n for key, n in counts.items() if key.startswith('head.auxiliary'))
        assert round((sum(counts.values()) - tower) / 1e6, 3) == MILLIONS[name]


@pytest.mark.parametrize('data', ['digits', 'cifar10', 'cifar100'])
@pytest.mark.parametrize('tag', ABLATIONS)
def test_loss_weights_of_table_viii(data: str, tag: str) -> None:
    config = shrink(load(f'search/ppnas_{data}{tag}'))
    with scope(config):
        model = build_model(config)
    assert isinstance(model, PPNAS)
    assert (model.threshold, model.reduction, model.identities) == (0.9, 'sum', 1)
    weights = (model.zero_one_weight, model.connection_weight, model.l2_weight)
    assert weights == ABLATIONS[tag]


@pytest.mark.parametrize('data', ['digits', 'cifar10', 'cifar100'])
def test_random_search_full_and_constrained(data: str) -> None:
    assert load(f'search/random_{data}').model.constrained is True
    assert load(f'search/random-full_{data}').model.constrained is False


# -- SE-NAS --------------------------------------------------------------------------------------

STAGES: dict[str, tuple[int, ...]] = {
    **{f'search/senas_imagenet_{tag}': (141, 41, 100, 5) for tag in ('250m', '470m', 'si', '17ms')},
    'search/senas_imagenet_590m': (204, 34, 100, 5),
    'search/senas_darts_cifar10': (196, 46, 200, 5),
    'search/senas_cifar10': (141, 41, 100, 5),
    'search/senas_nasbench201': (30, 10, 20, 20),
}
"""SE-NAS, Section 4: operations at the start and, ten a time, at the end; epochs of the first stage
and of the others.  It does not say when shrinking ends, but in the NAS-Bench-201 space.
"""


@pytest.mark.parametrize('name', STAGES)
def test_shrinkings_fit_into_the_epochs(name: str) -> None:
    """The last epoch selects; before it the rest is small enough, if operations go evenly."""
    config = load(name)
    first, last, *epochs = STAGES[name]
    search = config.model
    assert [search.first_epochs, search.stage_epochs, search.drop] == [*epochs, 10]
    with scope(config), torch.device('meta'):
        net = MODELS.build(classifier(config)).backbone
    sizes = [len(net.keepable(n)) for n, choice in net.choices.items() if not choice.gates]
    assert sum(sizes) == first
    stages, rest = divmod(config.train_cfg.max_epochs - epochs[0], epochs[1])
    assert rest == 0 and first - 10 * stages == last
    if 'max_stages' in search:
        assert search.max_stages == stages
        return
    # most architectures where the rest are twos and ones
    assert 2 ** (last - len(sizes)) < 1.05 * search.finish_size == 1.05e6


@pytest.mark.parametrize('name', [n for n in NAMES if re.match(r'search/(senas|spos|fairnas)_', n)])
def test_images_held_out(name: str) -> None:
    """50,000 of ImageNet, 5,000 of CIFAR; without augmentation."""
    config = load(name)
    train = config.train_cfg
    size = {'ImageNet': 1_281_167, 'CIFAR10': 50_000, 'PartialCIFAR10': 20_000, 'Digits': 1_437}
    whole = size[config.train_dataloader.dataset.type.split('.')[-1]]
    held = {1_281_167: 50_000, 50_000: 5_000, 20_000: 2_000, 1_437: 359}[whole]
    assert int(whole * train.val_share) == held
    plain = config.train_dataloader.dataset.pipeline  # of those whose preprocessor augments
    files = ('ppnas_mm.RGBFromFile', 'Resize')  # these change files, not images of the data set
    ours, theirs = (
        [step for step in pipeline if step.type not in files]
        for pipeline in (train.val_pipeline or plain, config.val_dataloader.dataset.pipeline)
    )
    assert ours == theirs


LEVELS = {'250m': 250, '320m': 321, '470m': 470, '590m': 592, 'si': 468, 'no-expand': 467}


@pytest.mark.parametrize('tag', LEVELS)
def test_multiply_adds_of_tables_4_and_6(tag: str) -> None:
    low, high = load(f'search/senas_imagenet_{tag}').model.limits.flops
    assert low <= LEVELS[tag] * 1e6 <= high and high - low < 0.04 * high


@pytest.mark.parametrize('data', ['imagenet', 'digits'])
def test_ablation_of_table_6(data: str) -> None:
    """SPOS, then shrinking by importance, by importance and confidence, and expansion."""
    whole = 'search/senas_imagenet_470m' if data == 'imagenet' else 'search/senas_digits'
    names = [f'search/{n}' for n in (f'spos_{data}', f'senas_{data}_si', f'senas_{data}_no-expand')]
    models = []
    for name in [*names, whole]:
        config = shrink(load(name))
        with scope(config):
            models.append(build_model(config))
    assert [type(m) for m in models] == [SPOS, SENAS, SENAS, SENAS]
    scores = [(m.score, m.threshold) for m in models[1:]]
    assert scores == [('si', None), ('confidence_product', None), ('confidence_product', 50)]
    assert len({str(load(name).model.limits) for name in [*names, whole]}) == 1
