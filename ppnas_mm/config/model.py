"""The one way from a loaded config to its model."""

from __future__ import annotations

from typing import Any

from .load import library, replace_sync_bn


def build_model(config: Any, settings: Any = None, device: str = 'cpu') -> Any:
    """Build the model of a config as mmengine's runner does, in the scope of its library.

    Args:
        config: A loaded config (:func:`~ppnas_mm.config.load.load_config`).
        settings: The part of it to build; ``None``: ``config.model``, with its data preprocessor.
        device: torch device; on a CPU, which has no SyncBN, its norms become plain ones.

    Returns:
        The model, in training mode, with its initial weights.
    """
    from mmengine.registry import MODELS, DefaultScope

    if settings is None:
        settings = config.model
        if config.get('data_preprocessor'):
            settings = type(settings)(settings)
            settings.setdefault('data_preprocessor', config.data_preprocessor)
    if str(device).startswith('cpu'):
        replace_sync_bn(settings)
    scope = config.get('default_scope') or library(config)
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(settings).to(device)
