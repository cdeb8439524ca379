"""A model of the zoo, built with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..weights.index import Entry, index_path, load_genotype

if TYPE_CHECKING:
    from torch import nn

from ..weights.fetch import entry, locate


def entry_config(item: Entry, index: Path, options: dict[str, Any] | None = None) -> Any:
    """Return the loaded config of an entry, with its architecture.

    Args:
        item: The entry.
        index: ``index.json``, in whose repository or package the config is.
        options: Overrides of the config.

    Raises:
        ZooError: If the genotype is not the one of the entry.
    """
    from ..config.load import load_config

    genotype = item.genotype and load_genotype(item, index)
    config: Any = load_config(index.parent.parent / item.config, options)
    if genotype:
        config.model.backbone.arch = genotype.to_dict()
    return config


def load(name: str, device: str = 'cpu', index: Path | None = None) -> nn.Module:
    """Build the model of an entry with all of its weights, in evaluation mode.

    It works in OpenMMLab's inference classes.

    Raises:
        ZooError: If the weights cannot be fetched.
        CheckpointError: If they do not fit the model, tensor by tensor.
    """
    from ..inference.demo import load_model
    from ..utils.compat import require
    from .model_hub import describe

    item, index = entry(name, index), index or index_path()
    config: Any = entry_config(item, index)
    path, sha256 = locate(name, index=index)
    require(config.get('default_scope') or 'ppnas_mm')
    model = load_model(config, path, device, sha256)
    model.cfg, model.dataset_meta = config, {'classes': item.classes}  # mmdet and mmseg ask for it
    return describe(model, config, item.classes)
