"""Pictures: architectures, searches, importance, stages, seeds, ranks; the report of a search."""

from .genotype import draw_genotype
from .importance import draw_importance, draw_importance_table
from .ranks import draw_rank_boxes, draw_tau_boxes
from .report import write_report
from .search import draw_search
from .seeds import draw_seeds
from .stages import draw_growth, draw_stages

__all__ = [
    'draw_genotype',
    'draw_growth',
    'draw_importance',
    'draw_importance_table',
    'draw_rank_boxes',
    'draw_search',
    'draw_seeds',
    'draw_stages',
    'draw_tau_boxes',
    'write_report',
]
