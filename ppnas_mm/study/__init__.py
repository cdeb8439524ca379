"""Studies: searches judged by a benchmark that knows the answer."""

from .plan import Plan, Row, load_plan
from .run import run_study

__all__ = ['Plan', 'Row', 'load_plan', 'run_study']
