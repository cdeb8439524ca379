"""Start a search from the super-net that another search has trained."""

from __future__ import annotations

from typing import Any

from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import Tensor

from ..algorithms.base import SearchAlgorithm
from ..weights.checkpoint import CheckpointError, check_same_model, describe, signature


def starts_from_super_net(checkpoint: dict[str, Any], runner: Any) -> bool:
    """Reduce the checkpoint of another algorithm to the weights of its super-net.

    What belongs to that algorithm, such as alpha, is left out, so alpha starts anew.

    Args:
        checkpoint: What ``load_from`` names; it is changed if it starts the search.
        runner: A runner that does not resume.

    Returns:
        Whether the checkpoint is of another algorithm, and the runner's model is a search.

    Raises:
        CheckpointError: If its space is another one, or its weights do not fit.
    """
    model: Any = runner.model.module if is_model_wrapper(runner.model) else runner.model
    saved, own = signature(checkpoint), describe(model)
    if not isinstance(model, SearchAlgorithm) or 'space' not in saved:
        return False
    if saved['model'] == own['model']:
        return False
    where = f'load_from: {runner._load_from}'
    same = {key: saved.get(key) for key in ('space', 'choices')}
    check_same_model(same, model, where)
    given, needed = checkpoint['state_dict'], weights_of(model)
    wrong = [k for k, v in needed.items() if k not in given or given[k].shape != v.shape]
    if wrong:
        raise CheckpointError(
            f'{where}: the super-net of {saved["model"]} has no {wrong[0]} of shape '
            f'{tuple(needed[wrong[0]].shape)} ({len(wrong)} of {len(needed)} tensors do not fit); '
            'it must have the same size, and must not be expanded'
        )
    checkpoint['state_dict'] = {key: given[key] for key in needed}
    epoch = checkpoint.get('meta', {}).get('epoch')
    print_log(
        f'starts from the super-net of {saved["model"]} ({runner._load_from}, epoch {epoch}); '
        'the architecture is searched anew',
        'current',
    )
    return True


def weights_of(algorithm: SearchAlgorithm) -> dict[str, Tensor]:
    """Return the weights and statistics of the searched model, without alpha and what is alive."""
    net = algorithm.super_net
    own = {f'model.backbone.{name}' for name, _ in net.named_buffers(recurse=False)}
    arch = {id(parameter) for parameter in net.arch_parameters().values()}
    return {
        key: value
        for key, value in algorithm.state_dict(keep_vars=True).items()
        if key.startswith('model.') and key not in own and id(value) not in arch
    }
