"""A model of the zoo, built with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..weights import hub
from ..weights.fetch import entry, locate
from ..weights.index import Entry, ZooError, index_path, load_genotype

if TYPE_CHECKING:
    from torch import nn

    from ..genotype import Genotype


def entry_config(
    item: Entry,
    index: Path,
    options: dict[str, Any] | None = None,
    genotype: Genotype | None = None,
) -> Any:
    """Return the loaded config of an entry, with its architecture.

    Args:
        item: The entry.
        index: ``index.json``, in whose repository or package the config is.
        options: Overrides of the config.
        genotype: The architecture; ``None``: the one that the entry names.

    Raises:
        ZooError: If there is no such config, or the genotype is not the one of the entry.
    """
    from ..config.load import load_config

    path = index.parent.parent / item.config
    if not path.is_file():
        raise ZooError(
            f'{item.name}: this package has no {item.config}; its backbone alone can be loaded: '
            "init_cfg=dict(type='Pretrained', ...)"
        )
    if genotype is None and item.genotype:
        genotype = load_genotype(item, index)
    config: Any = load_config(path, options)
    if genotype is not None:
        config.model.backbone.arch = genotype.to_dict()
    return config


def load(name: str, device: str = 'cpu', index: Path | None = None) -> nn.Module:
    """Build the model of an entry with all of its weights, in evaluation mode.

    It works in OpenMMLab's inference classes.

    Args:
        name: ``arch.tag``, or ``hf://USER/NAME`` of the Hugging Face hub.
        device: torch device.
        index: ``index.json``; ``None`` means the one of this package.

    Raises:
        ZooError: If the weights cannot be fetched.
        CheckpointError: If they do not fit the model, tensor by tensor.
    """
    from ..inference.demo import load_model
    from ..utils.compat import require
    from .model_hub import describe

    index = index or index_path()
    item: Entry
    if name.startswith(hub.SCHEME):
        made, path = hub.fetch_entry(name), hub.fetch_weights(name)
        item, sha256 = made, made.sha256
        config = entry_config(item, index, genotype=stored_genotype(item, path, sha256))
    else:
        item = entry(name, index)
        config = entry_config(item, index)
        path, sha256 = locate(name, index=index)
    require(config.get('default_scope') or 'ppnas_mm')
    model = load_model(config, path, device, sha256)
    model.cfg, model.dataset_meta = config, {'classes': item.classes}  # mmdet and mmseg ask for it
    return describe(model, config, item.classes)


def stored_genotype(item: Entry, path: Path, sha256: str) -> Genotype:
    """Return the architecture in the metadata of a file, which must be that of its entry.

    Raises:
        ZooError: If it has none, or another one.
        CheckpointError: If the file cannot be read.
    """
    from ..genotype import Genotype
    from ..weights.checkpoint import load_checkpoint

    stored = load_checkpoint(path, sha256=sha256)['meta'].get('genotype')
    if stored is None or Genotype.from_json(stored).hash != item.genotype_hash:
        raise ZooError(f'{item.name}: {path}: its genotype is not the one of the entry')
    return Genotype.from_json(stored)
