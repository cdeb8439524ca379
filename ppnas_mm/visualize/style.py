"""Colours of the pictures: an operation has the same colour in all of them.

Hues follow the kernel size where possible (3x3 blue, 5x5 brown, 7x7 pink); identities and ``none``
are grey.  Within a space the colours also differ for red-green blindness and in greyscale:
``tests/visualize/test_palette.py`` measures it.
"""

from __future__ import annotations

import colorsys
import hashlib

OPERATIONS = {
    'none': '#bcc1c7',
    'skip_connect': '#868d96',
    'identity': '#5f6670',
    'shortcut': '#3f454d',
    'conv_1x1': '#e58684',
    'conv_3x3': '#6288e5',
    'conv_5x5': '#927334',
    'dw_conv_3x3': '#17bdc9',
    'dw_conv_5x5': '#a5c149',
    'dilated_conv_3x3': '#823397',
    'sep_conv_3x3': '#5ea5d5',
    'sep_conv_5x5': '#b16f07',
    'dil_conv_3x3': '#943482',
    'dil_conv_5x5': '#bd4057',
    'max_pool_3x3': '#26521b',
    'avg_pool_3x3': '#37c772',
    'nor_conv_1x1': '#cb3bb0',
    'nor_conv_3x3': '#799cf8',
    'mbconv_3x3_e3': '#5eb6e5',
    'mbconv_3x3_e6': '#4388f2',
    'mbconv_3x3_e6_g2': '#174683',
    'mbconv_3x3_e4_se': '#3ac4ef',
    'mbconv_3x3_e6_se': '#0a76e2',
    'mbconv_5x5_e3': '#cab275',
    'mbconv_5x5_e6': '#ca6446',
    'mbconv_5x5_e6_g2': '#68470e',
    'mbconv_5x5_e4_se': '#b29539',
    'mbconv_5x5_e6_se': '#9d3514',
    'mbconv_7x7_e3': '#f87ea4',
    'mbconv_7x7_e6': '#9e62a9',
    'mbconv_7x7_e6_g2': '#a80841',
    'mbconv_7x7_e4_se': '#e297a4',
    'mbconv_7x7_e6_se': '#a14ea5',
}
"""The colours of the package's own operations."""

PALETTE = (
    *('#3b78b4', '#e8833a', '#4a9d5b', '#c8504f', '#8466b0', '#2aa5a0', '#9a9a9a', '#c9a227'),
    *('#8c5a3c', '#d77fb3', '#1f3f77'),
)
"""For other lines: losses, metrics, seeds, variants."""

DARK, ARROW, FAINT, PALE = '#24303f', '#5b6b7f', '#a8afb8', '#f4f5f6'
LIGHT = '4d'
"""The alpha of a fill."""

APART = 55
"""Least RGB distance of the colour of a user's operation from the table."""


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _drawn(name: str) -> str:
    """Return a saturated colour of medium lightness that depends on a text alone."""
    hue, light, strong, *_ = hashlib.sha256(name.encode()).digest()
    values = colorsys.hls_to_rgb(hue / 256, 0.3 + 0.3 * light / 255, 0.45 + 0.5 * strong / 255)
    return '#' + bytes(round(255 * v) for v in values).hex()


def op_colour(op: str) -> str:
    """Return the colour of an operation, as ``#rrggbb``.

    The colour of a user's operation follows from its name: it is the same in every picture and
    process, and differs from those of the table.
    """
    if op in OPERATIONS:
        return OPERATIONS[op]
    taken = [_rgb(colour) for colour in OPERATIONS.values()]
    for attempt in range(1000):
        colour = _drawn(f'{op}/{attempt}')
        if all(sum((a - b) ** 2 for a, b in zip(_rgb(colour), t, strict=True)) > APART**2
               for t in taken):  # fmt: skip
            break
    return colour
