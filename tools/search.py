"""Search an architecture: genotype, picture, inherited weights and record end in the work dir."""

from ppnas_mm.cli import add_run_arguments, add_train_arguments, load_run, new_parser, resume_run, run_tool


def main() -> None:
    """Parse the arguments and run the search."""
    parser = new_parser(
        'Search an architecture.',
        'python tools/search.py configs/search/ppnas_digits.py --work-dir work_dirs/digits --seed 1',
    )
    add_run_arguments(parser)
    add_train_arguments(parser)
    args = parser.parse_args()
    config = load_run(args)
    if args.resume:
        resume_run(config)

    from mmengine.runner import Runner

    from ppnas_mm.report import print_result

    Runner.from_cfg(config).train()
    print_result(config.work_dir)


if __name__ == '__main__':
    run_tool(main)
