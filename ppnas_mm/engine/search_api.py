"""A search from Python: ``ppnas_mm.search(config)``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from ..config.load import load_config
from ..config.model import build_model
from ..genotype import Genotype
from ..utils.files import read_json, write_atomic
from ..weights.checkpoint import load_weights
from .run import load_run, require_search
from .search_hook import reported
from .work_dir import NETWORK, release, start_run


@dataclass(frozen=True)
class SearchResult:
    """What a search has left in its work dir.

    Attributes:
        work_dir: The folder; see ``docs/reference/file_formats.md``.
    """

    work_dir: Path

    @property
    def genotype(self) -> Genotype:
        """The architecture found."""
        return Genotype.load(self.work_dir / 'genotype.json')

    @property
    def record(self) -> dict[str, Any]:
        """The content of ``search.json``: settings, every epoch, the result."""
        return read_json(self.work_dir / 'search.json')

    @property
    def config(self) -> Config:
        """A whole config of the network found."""
        return load_config(self.work_dir / NETWORK)

    @property
    def scores(self) -> dict[str, float]:
        """The metrics of the derived network on the validation data; empty without them."""
        return dict(self.record['result'].get('derived', {}).get('metrics', {}))

    def model(self) -> nn.Module:
        """Return the derived network with the weights of the search, in evaluation mode."""
        model = build_model(self.config)
        load_weights(model, self.work_dir / 'derived.safetensors')
        return model.eval()

    def report(self) -> Path:
        """Return the path of the report, a page for a browser."""
        return self.work_dir / 'report.html'


def search(
    config: str | Path | Config | Mapping[str, Any],
    work_dir: str | Path | None = None,
    space: str | None = None,
    algorithm: str | None = None,
    limits: Mapping[str, Any] | None = None,
    where: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    resume: bool = False,
    amp: bool = False,
) -> SearchResult:
    """Search an architecture, as ``ppnas search`` does.

    Args:
        config: A path, a name (see ``ppnas configs``), or a config object: of a search, or with
            ``space`` of a network whose backbone is searched.
        work_dir: Folder of the results; ``None``: ``work_dirs/<config>``.  A config object needs
            one.
        space, algorithm, limits, where: See :func:`~ppnas_mm.engine.search_config.to_search`.
        options: Overrides of the config, dotted key to value.
        seed: Random seed; ``None``: that of the config, or 0.
        resume: Whether to continue after the last finished epoch.
        amp: Whether to use mixed precision.

    Raises:
        ConfigError: If the config is wrong; before the search.
        DegenerateArchitectureError: If the search found no complete architecture.
        ValueError: If a config object comes without a work dir.
    """
    from .runner import Runner
    from .train import require_batches

    given = dict(space=space, algorithm=algorithm, limits=limits, where=where)
    if not isinstance(config, (str, Path)):
        config = _written(config, work_dir)
    args = Namespace(
        config=str(config), work_dir=work_dir and str(work_dir), cfg_options=dict(options or {}),
        launcher='none', local_rank=0, seed=seed, amp=amp, **given,
    )  # fmt: skip
    run = load_run(args)
    require_search(run, args.config)
    start_run(run, resume)
    try:
        runner = Runner.from_cfg(run)
        require_batches(runner)
        with reported(runner):
            runner.train()
    finally:
        release()
    return SearchResult(Path(run.work_dir))


def _written(config: Config | Mapping[str, Any], work_dir: str | Path | None) -> Path:
    """Write a config object into its work dir, so that the run has a file."""
    if work_dir is None:
        raise ValueError('a config object needs work_dir, where its file is written')
    folder = Path(work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    text = (config if isinstance(config, Config) else Config(dict(config))).pretty_text
    path = folder / 'given.py'
    write_atomic(path, text.encode())
    return path
