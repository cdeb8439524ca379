"""What the command-line tools share: arguments, one-line errors, exit codes."""

from .arguments import add_run_arguments, add_train_arguments, new_parser
from .errors import run_tool

__all__ = ['add_run_arguments', 'add_train_arguments', 'new_parser', 'run_tool']
