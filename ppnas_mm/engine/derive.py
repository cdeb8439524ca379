"""From a searched super-net to the derived network with inherited weights."""

from __future__ import annotations

import copy

from torch import nn

from ..algorithms.base import SearchAlgorithm
from ..genotype import Genotype
from ..utils.registries import MODELS


def derive_model(algorithm: SearchAlgorithm, genotype: Genotype) -> nn.Module:
    """Build the derived network and give it the super-net's weights.

    Args:
        algorithm: A trained search algorithm.
        genotype: The genotype to derive, from the algorithm's space.

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
