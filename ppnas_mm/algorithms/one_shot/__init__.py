"""One-shot searches: train a super-net on sampled paths, then select (SPOS, FairNAS, SE-NAS)."""

from .senas import SENAS
from .spos import SPOS

__all__ = ['SENAS', 'SPOS']
