"""The numbers of EoiNAS' and GDAS' search recipes that papers print or authors' code has."""

import pytest
from config_files import build_model, load, scope, shrink, weights_part


def test_the_authors_eoinas_has_no_chain() -> None:
    """ZLab540/EoiNAS: I = beta + C / 2, C = per cent of the last batch by steps; lowest I goes."""
    config = shrink(load('search/eoinas_cifar10_authors'))
    with scope(config):
        model = build_model(config)
    indicator, chain = model.importance, model.chain
    assert chain.epsilon == (0, 0)
    assert (indicator.kind, indicator.weight, indicator.scale) == ('code', 0.5, 100)
    assert (indicator.last, indicator.in_epochs, indicator.forget) == (True, False, True)
    assert not model.hard and not model.slimming.keep_moments and not indicator.fill
    weights, arch = config.optim_wrapper.weights, config.optim_wrapper.arch
    assert (weights.clip_grad.max_norm, arch.clip_grad.max_norm) == (5, 5)
    assert arch.optimizer == dict(type='Adam', lr=6e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    (cosine,) = config.param_scheduler.weights
    assert (config.train_cfg.max_epochs, cosine.get('eta_min', 0)) == (160, 0)


@pytest.mark.parametrize(
    ('name', 'epochs', 'decay', 'clip'),
    [('eoinas_nasbench201', 160, 3e-4, 0), ('gdas_nasbench201', 250, 5e-4, 5)],
)
def test_searches_of_nasbench201(name: str, epochs: int, decay: float, clip: float) -> None:
    """Network and GDAS: the benchmark's authors; EoiNAS: its own setting on CIFAR-10."""
    config = load(f'search/{name}')
    backbone = config.model.model.backbone
    assert (backbone.init_channels, backbone.cells_per_stage) == (16, 5)
    optim, (cosine,) = weights_part(config)
    assert (optim.optimizer.lr, optim.optimizer.weight_decay) == (0.025, decay)
    assert (cosine.eta_min, optim.get('clip_grad', {}).get('max_norm', 0)) == (1e-3, clip)
    assert (config.train_cfg.max_epochs, config.train_dataloader.batch_size) == (epochs, 64)
    arch = config.optim_wrapper.arch.optimizer
    assert arch == dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    config = shrink(config)
    with scope(config):
        model = build_model(config)
    model.attach({}, epochs)
    (start, end) = (10.0, 0.1) if name == 'gdas_nasbench201' else (5.0, 5 * 0.965**139)
    assert (model.temperature(1), model.temperature(epochs)) == (start, pytest.approx(end))
