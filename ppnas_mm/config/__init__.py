"""Loads configs and checks them before any work starts."""

from .keys import ConfigError, type_name
from .load import library, load_config, replace_sync_bn, require_library
from .model import build_model
from .values import check_values

__all__ = [
    'ConfigError',
    'build_model',
    'check_values',
    'library',
    'load_config',
    'replace_sync_bn',
    'require_library',
    'type_name',
]
