"""Studies of searches: tabular benchmarks, rankings by a super-net, simulations, comparisons."""

from .nasbench201 import Table, TableError, kendall_tau

__all__ = ['Table', 'TableError', 'kendall_tau']
