"""ppnas_mm: searched backbones and their searches as OpenMMLab components."""

from . import registry, zoo
from .genotype import DegenerateArchitectureError, Genotype, GenotypeError, published
from .version import __version__

__all__ = [
    'DegenerateArchitectureError',
    'Genotype',
    'GenotypeError',
    '__version__',
    'published',
    'registry',
    'zoo',
]
