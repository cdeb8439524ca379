"""The rooms of the tests, and which of their tests `make test-fast` runs."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOMS = sorted({path.parent.name for path in TESTS.glob('*/test_*.py')})
"""Folders with tests: the marks of their tests."""
JOINED = {'algorithms': 'search', 'engine': 'search'}
"""A mark that rooms share."""
FAST = {
    'algorithms': (
        'test_darts_search.py',
        'test_equations.py',
        'test_gdas.py',
        'test_importance.py',
        'test_operator_scores.py',
        'test_ppnas.py',
        'test_selection.py',
    ),
    'analysis': ('test_search_figures.py',),
    'backbones': ('test_macro_resnet.py',),
    'benchmarks': ('test_benchmark_record.py',),
    'cli': (
        'test_tools.py::test_every_tool_has_help_with_an_example',
        'test_tools.py::test_sync_bn_becomes_bn_where_there_is_no_gpu',
    ),
    'config': ('test_wrong_values.py',),
    'configs': ('test_composition.py', 'test_config_repeats.py'),
    'convert': ('test_resnet.py', 'test_tf_bundle.py'),
    'costs': ('test_limits.py',),
    'datasets': ('test_half.py',),
    'engine': (
        'test_drop_path.py',
        'test_search_loop.py',
        'test_search_optim.py',
        'test_stable_sgd.py',
    ),
    'genotype': ('test_genotype_rules.py',),
    'heads': ('test_aux_head.py',),
    'inference': ('test_inference.py',),
    'layers': ('test_custom_conv.py', 'test_depthwise.py'),
    'project': ('test_layers.py', 'test_marks.py', 'test_readme.py'),
    'spaces': ('test_ppconv.py',),
    'study': (
        'test_paper.py::test_a_run_names_what_failed_and_repeats_only_that',
        'test_paper.py::test_a_wrong_file_is_refused_by_key',
        'test_study_plan.py',
        'test_study_results.py',
    ),
    'tables': ('test_latencies.py', 'test_nasbench_macro_table.py'),
    'utils': ('test_checksums.py',),
    'visualize': ('test_palette.py', 'test_titles.py'),
    'weights': ('test_transfer.py',),
    'zoo': ('test_metafiles.py',),
}
"""Files of each room, or tests of a file, that are quick for what they check."""


def marks(path: Path, function: str) -> list[str]:
    """Marks of a test: its room, what its room shares with others, ``fast``."""
    room = path.parent.name
    found = [room, JOINED[room]] if room in JOINED else [room]
    names = {path.name, f'{path.name}::{function}'}
    return [*found, 'fast'] if names & set(FAST.get(room, ())) else found
