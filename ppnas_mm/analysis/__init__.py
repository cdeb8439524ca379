"""Studies of searches: tabular benchmarks, rankings by a super-net, simulations, comparisons."""

from .statistics import kendall_tau

__all__ = ['kendall_tau']
