"""Derive the network of a search once more; see --help."""

from __future__ import annotations

from pathlib import Path

from ..config.keys import ConfigError
from ..utils.files import read_json
from .arguments import add_run_arguments, new_parser


def main() -> None:
    """Parse the arguments, load the last checkpoint of the search, write what it stands for."""
    from ..engine.run import load_run

    parser = new_parser(
        'Derive genotype, picture and inherited weights from the last checkpoint of a search.',
        'python tools/derive.py work_dirs/digits --out work_dirs/derived '
        '--cfg-options model.threshold=0.8',
    )
    add_run_arguments(parser, 'work dir')
    parser.add_argument('--out', required=True, help='folder of the results')
    args = parser.parse_args()
    folder = Path(args.config)
    if not (folder / 'search.json').is_file():
        raise ConfigError(f'{folder} is not the work dir of a search: it has no search.json')
    record = read_json(folder / 'search.json')
    args.config, args.work_dir, args.seed = folder / record['config'], args.out, record['seed']
    config = load_run(args)

    from ..engine.checkpoint import checkpoint_place, latest_checkpoint
    from ..engine.runner import Runner
    from ..engine.search_hook import SearchHook
    from ..utils.tables import search_table
    from ..weights.checkpoint import CheckpointError, load_weights

    config_of_run = config.copy()
    config_of_run.work_dir = str(folder)
    place, names = checkpoint_place(config_of_run)
    checkpoint = latest_checkpoint(place, names=names)
    if checkpoint is None:
        raise CheckpointError(f'{folder} has no checkpoint')
    runner = Runner.from_cfg(config)
    load_weights(runner.model, checkpoint)
    hook = next(hook for hook in runner.hooks if isinstance(hook, SearchHook))
    hook.finish(runner, record['epochs'])
    print(search_table(args.out))
