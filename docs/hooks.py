"""Builds equations as MathML without scripts, names the files of recipes, shortens roles."""

import html
import re

from latex2mathml.converter import convert

INLINE = re.compile(r'<span class="arithmatex">\\\((.+?)\\\)</span>', re.S)
ROLE = re.compile(r':(?:attr|class|data|func|meth|mod):<code>[~.]*')
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.+?)\\\]\s*</div>', re.S)
FENCE = re.compile(r'^```math\n(.*?)^```$', re.M | re.S)
RECIPE = re.compile(r'^```(\w+) recipe="\w+" (?:title|import)="([^"]+)".*$', re.M)


def on_page_markdown(markdown: str, **kwargs: object) -> str:
    """Turn fences of equations into equations, and what recipes say into titles of blocks."""
    markdown = RECIPE.sub(r'```\1 title="\2"', markdown)
    return FENCE.sub(lambda match: f'$$\n{match[1]}$$', markdown)


def on_page_content(content: str, **kwargs: object) -> str:
    """Replace LaTeX by MathML, and Sphinx's roles by plain code."""
    content = ROLE.sub('<code>', content)
    content = INLINE.sub(lambda match: convert(html.unescape(match[1])), content)
    return BLOCK.sub(
        lambda match: convert(html.unescape(match[1].strip()), display='block'), content
    )
