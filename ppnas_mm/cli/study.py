"""Judge searches by a benchmark that knows the answer; see --help."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..config.shipped import home
from .arguments import new_parser


def _names(text: str) -> list[str]:
    return [word.strip() for word in text.split(',')]


def _seeds(text: str) -> list[int]:
    from ..engine.best_of_seeds import seed_list

    return seed_list(text)


def main() -> None:
    """Parse the arguments, run the searches that are not done, write the page."""
    parser = new_parser(
        'Run the searches of a study with every seed and look up what they find in the table of a '
        'benchmark. Finished searches are kept, so the same command goes on after a stop; several '
        'processes with the same work dir share the work. The work dir gets study.md, pictures, '
        'results.json and costs.json.',
        'python tools/study.py configs/study/nasbench201.yml --work-dir work_dirs/nasbench201',
    )
    parser.add_argument('study', metavar='STUDY.yml', help='the searches, seeds and table')
    parser.add_argument('--work-dir', help='folder of the results; default work_dirs/<study>')
    parser.add_argument(
        '--rows',
        metavar='NAME,NAME',
        type=_names,
        default=[],
        help='only these searches and those they start from; default: all',
    )
    parser.add_argument(
        '--seeds', metavar='N,N', type=_seeds, default=[], help='only these seeds; default: all'
    )
    parser.add_argument(
        '--report', action='store_true', help='only write the page of what is done so far'
    )
    parser.add_argument(
        '--publish',
        metavar='FOLDER',
        help='write the page and its files into FOLDER, too; searches that it has already, with '
        'the same settings, are not repeated',
    )
    args = parser.parse_args()

    from ..study import load_plan, run_study
    from ..study.page import write_page
    from ..study.published import NOTHING, load_published
    from ..study.run import check_results
    from ..study.searches import settings_of_rows
    from ..utils.jobs import JobError

    plan = load_plan(args.study)
    part = plan.part(args.rows, args.seeds)
    folder = Path(args.work_dir or Path('work_dirs') / Path(args.study).stem)
    folder.mkdir(parents=True, exist_ok=True)
    words = ['python', 'tools/study.py', args.study]
    words += ['--work-dir', args.work_dir] if args.work_dir else []
    command = ' '.join(map(shlex.quote, words))
    tool = home() / 'tools/search.py'
    publish, known = Path(args.publish) if args.publish else None, NOTHING
    if publish:
        known = load_published(plan, publish, settings_of_rows(plan, folder))
    check_results(plan, folder, known)
    busy, failed = ([], []) if args.report else run_study(part, folder, tool, known)
    print(write_page(plan, folder, command, busy, publish, known))
    if failed:
        raise JobError(f'{"; ".join(failed)}; the same command repeats only these')
