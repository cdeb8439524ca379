"""Tables of benchmarks: what every architecture of a space reaches, and what it costs."""

from .latencies import LatencyTable
from .nasbench201 import NASBench201Table
from .nasbench_macro import NASBenchMacroTable
from .table import BenchmarkTable, TableError

TABLES: dict[str, type[BenchmarkTable]] = {
    table.space: table for table in (NASBench201Table, NASBenchMacroTable)
}
"""The table of each space that has one."""

__all__ = [
    'TABLES',
    'BenchmarkTable',
    'LatencyTable',
    'NASBench201Table',
    'NASBenchMacroTable',
    'TableError',
]
