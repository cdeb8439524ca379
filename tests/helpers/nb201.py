"""Shared by the tests of nasbench201 and others."""

from typing import Any

OPS = ('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3')


MIXED = '|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|'


def text_of(ops: Any) -> str:
    """The benchmark's string of six operations, in the order of :data:`EDGES`."""
    a, b, c, d, e, f = ops
    return f'|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|'


# -- plain formulas --------------------------------------------------------------------------------
