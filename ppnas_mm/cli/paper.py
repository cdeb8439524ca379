"""Repeat a table of a paper; see --help."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from ..config.shipped import home
from .arguments import new_parser


def main() -> None:
    """Parse the arguments; list, print commands, or run them and print the table."""
    parser = new_parser(
        'Run the commands of a table of a paper one after the other and print it: what the paper '
        'prints, and what was measured here. Finished commands are kept, so the same command goes '
        'on after a stop. Without TABLE: list the tables of the paper.',
        'python tools/paper.py pp-nas VIII --scale digits --dry-run',
    )
    parser.add_argument('paper', metavar='PAPER', help='pp-nas, cdarts, eoinas or se-nas')
    parser.add_argument(
        'table', metavar='TABLE', nargs='?', help='number as in the paper: II, 3, VIII, Fig6'
    )
    parser.add_argument(
        '--scale',
        default='digits',
        help='digits (minutes on a CPU), cifar10-20k (hours on a CPU) or full (data and sizes of '
        'the paper); default: digits',
    )
    parser.add_argument('--dry-run', action='store_true', help='only print the commands')
    parser.add_argument('--report', action='store_true', help='only print the table')
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/paper'), help='folder of the results'
    )
    args = parser.parse_args()

    with contextlib.redirect_stdout(sys.stderr):  # the libraries print when they are imported
        from ..study import paper_run, paper_text
        from ..study.paper import load_paper

    paper = load_paper(args.paper)
    if args.table is None:
        print(paper_text.tables_text(paper))
        return
    table = paper.table(args.table)
    table.require(args.scale)
    if args.dry_run:
        commands = paper_run.dry_run(table, args.scale, args.work_dir, home())
        print(paper_text.commands_text(table, args.scale, commands))
        return
    try:
        if not args.report:
            paper_run.run_table(table, args.scale, args.work_dir, home())
    finally:
        print(paper_text.table_text(table, args.scale, paper_run.measured(table, args.work_dir)))
