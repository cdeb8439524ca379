"""Costs of architectures (multiply-adds, parameters, latency) and limits on them."""

from .counting import flops_table, params_table
from .limits import ConstraintError, Limit, Limits
from .table import CostError, CostTable, super_net_of

__all__ = [
    'ConstraintError',
    'CostError',
    'CostTable',
    'Limit',
    'Limits',
    'flops_table',
    'params_table',
    'super_net_of',
]
