"""ppnas_mm: searched backbones and their searches as OpenMMLab components."""

from . import registry, zoo
from .genotype import DegenerateArchitectureError, Genotype, GenotypeError, published
from .version import __version__
from .zoo import create_backbone

__all__ = [
    'DegenerateArchitectureError',
    'Genotype',
    'GenotypeError',
    '__version__',
    'create_backbone',
    'published',
    'registry',
    'zoo',
]
