"""From a searched super-net to the derived network with inherited weights."""

from __future__ import annotations

import copy
import os
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from safetensors.torch import save
from torch import nn

from .algorithms.base import SearchAlgorithm
from .checksums import seal
from .fileio import write_atomic
from .genotype import Genotype
from .registry import MODELS


def derive_model(algorithm: SearchAlgorithm, genotype: Genotype) -> nn.Module:
    """Build the derived network and give it the super-net's weights.

    Args:
        algorithm: A trained search algorithm.
        genotype: What to derive; of the algorithm's space.

    Returns:
        A model like the wrapped one, with the derived backbone, in evaluation mode; its outputs
        equal those of the super-net's one-hot forward.
    """
    source, config = algorithm.inherited
    backbone, weights = source.backbone.export(genotype)
    model = MODELS.build({**copy.deepcopy(config), 'backbone': backbone})
    state = {f'backbone.{key}': value for key, value in weights.items()}
    for key, value in source.state_dict().items():
        if not key.startswith('backbone.'):
            state[key] = value.detach().clone()
    model.load_state_dict(state)
    device = next(algorithm.parameters()).device
    return model.to(device).eval()


@torch.no_grad()
def evaluate(model: Any, loader: Any, evaluator: Evaluator) -> dict[str, float]:
    """Return the metrics of a model on a data loader."""
    model.eval()
    for batch in loader:
        evaluator.process(data_samples=model.val_step(batch), data_batch=batch)
    return {k: float(v) for k, v in evaluator.evaluate(len(loader.dataset)).items()}


def to_safetensors(model: nn.Module, genotype: Genotype) -> bytes:
    """Return the content of a safetensors file: the weights; genotype and checksum as metadata."""
    # shared tensors (convolutions of several pyramid levels) are written out for each key
    state = {
        key: value.detach().cpu().clone().contiguous() for key, value in model.state_dict().items()
    }
    return seal(save(state, {'genotype': genotype.to_json()}))


def save_derived(model: nn.Module, genotype: Genotype, path: str | os.PathLike) -> None:
    """Write the weights as safetensors, with the genotype in the metadata, atomically."""
    write_atomic(path, to_safetensors(model, genotype))
