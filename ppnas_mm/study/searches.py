"""The searches of a study as their tools read them, and what can be wrong with them."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..config.keys import ConfigError, mappings, type_name
from ..config.model import build_model
from ..engine.run import load_run, require_search
from ..engine.runner import Runner
from ..engine.search_loop import SearchLoop
from ..engine.settings import settings_of
from ..engine.train import require_batches
from ..genotype import GenotypeError
from ..spaces.super_net import SuperNet
from ..tables import TABLES
from ..utils.files import checksum
from ..utils.registries import MODELS
from .plan import Plan, Row


def config_of(plan: Plan, row: Row, folder: Path) -> Any:
    """Return the config of a row's search, as its tool reads it.

    Raises:
        ConfigError: If the config is wrong or is not that of a search.
    """
    options = {**plan.options, **row.options}
    given = Namespace(
        config=str(row.config),
        cfg_options=options,
        work_dir=str(folder),
        seed=0,
        launcher='none',
        local_rank=0,
    )
    config = load_run(given)
    require_search(config, str(row.config))
    return config


def settings_of_rows(plan: Plan, folder: Path) -> dict[str, str]:
    """Return, for each row, a checksum of all that its results follow from, besides the seed.

    Raises:
        ConfigError: If a config is wrong or is not that of a search in the space of the study.
    """
    found: dict[str, str] = {}
    for row in plan.rows:
        config = config_of(plan, row, folder / row.name)
        spaces = set(_spaces(config))
        if spaces and plan.space not in spaces:
            raise ConfigError(
                f'row {row.name}: {row.config} searches in {", ".join(sorted(spaces))}; the space '
                f'of the study is {plan.space}'
            )
        source = found[row.starts_from] if row.starts_from else config.get('load_from')
        found[row.name] = _settings(plan, row, config, source)
    return found


def _spaces(config: Any) -> Iterator[str]:
    """Yield the space of every super-net of a config."""
    with MODELS.switch_scope_and_registry(config.get('default_scope')) as registry:
        for node in mappings(config.model):
            kind = node.get('type')
            kind = registry.get(kind) if isinstance(kind, str) else kind
            if inspect.isclass(kind) and issubclass(kind, SuperNet):
                yield kind.space


def _settings(plan: Plan, row: Row, config: Any, source: str | None) -> str:
    about: dict[str, Any] = dict(
        best_of=row.best_of, ranks=row.ranks, cells=plan.cells if row.ranks else 0
    )
    if source:  # the weights that it starts from: settings of their row, or a file
        about['starts_from' if row.starts_from else 'load_from'] = source
    found = {k: v for k, v in settings_of(config).items() if k != 'randomness.seed'}
    return checksum({**found, **{f'study.{k}': v for k, v in about.items()}})


def check_row(plan: Plan, row: Row, folder: Path) -> None:
    """Build the search of a row with all its parts, so that faults show before any search runs.

    Args:
        plan: The study.
        row: One of its rows.
        folder: Work dir of the study.

    Raises:
        ConfigError: If the search cannot be built, if the table cannot have its architectures, if
            its weights are wanted, but it trains none, or its alpha, but it has none.
    """
    config = config_of(plan, row, folder / row.name)
    if _trains_nothing(config):
        wants = ['ranks'] if row.ranks else []
        wants += [f'starts_from of {r.name}' for r in plan.rows if r.starts_from == row.name]
        if wants:
            raise ConfigError(
                f'row {row.name}: {row.config} trains no weights, which {wants[0]} needs'
            )
    start = None if row.starts_from else config.get('load_from')
    if start and '://' not in start and not Path(start).is_file():
        raise ConfigError(f'row {row.name}: load_from={start!r}: no such file; see starts_from')
    try:
        net = build_model(config).super_net
        TABLES[plan.space].encode(net.random_genotype(np.random.default_rng(0), constrained=False))
        algorithm = _built(config)
    except GenotypeError as error:
        raise ConfigError(
            f'row {row.name}: the table has no such architectures: {error}'
        ) from error
    except Exception as error:  # whatever a library raises
        raise ConfigError(f'row {row.name}: {type(error).__name__}: {error}') from error
    alphas = algorithm.arch_parameters().values()
    if row.ranks == 'alpha' and not any(alpha.requires_grad for alpha in alphas):
        raise ConfigError(
            f'row {row.name}: ranks: alpha, but {type(algorithm).__name__} trains no alpha; '
            'its weights rank with ranks: super-net'
        )


def _built(config: Any) -> Any:
    """Return the algorithm of a config, once all parts of its run could be built."""
    with TemporaryDirectory() as folder:
        config.work_dir = folder
        config.experiment_name = Path(folder).name  # else two of the same second share a log
        config.load_from, config.resume = None, False
        runner = Runner.from_cfg(config)
        require_batches(runner)
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        if runner.param_schedulers is not None:
            runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
        for loop in (runner.train_loop, runner.val_loop):
            if isinstance(loop, SearchLoop):
                loop.check()
        return runner.model


def _trains_nothing(config: Any) -> bool:
    return type_name(config.train_cfg).endswith('ChooseLoop')
