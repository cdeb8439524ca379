"""Studies of searches: tabular benchmarks, the ranking of super-nets, simulations, comparisons."""

from .nasbench201 import Table, TableError, kendall_tau
from .ranking import rank_table

__all__ = ['Table', 'TableError', 'kendall_tau', 'rank_table']
