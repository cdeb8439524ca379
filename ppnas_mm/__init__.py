"""ppnas_mm: searched backbones and their searches as OpenMMLab components."""

from typing import Any

from . import registry, zoo
from .genotype import DegenerateArchitectureError, Genotype, GenotypeError, published
from .version import __version__
from .zoo import create_backbone

__all__ = [
    'DegenerateArchitectureError',
    'Genotype',
    'GenotypeError',
    'SearchResult',
    '__version__',
    'create_backbone',
    'published',
    'registry',
    'search',
    'zoo',
]


def __getattr__(name: str) -> Any:
    """Import what runs searches only when it is used."""
    if name in ('search', 'SearchResult'):
        from .engine import search_api

        return getattr(search_api, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
