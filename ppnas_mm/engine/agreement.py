"""Check that all processes of a search have the same architecture; otherwise stop the search."""

from __future__ import annotations

import hashlib

from mmengine.dist import all_gather_object, get_world_size

from ..spaces.super_net import SuperNet


class DifferentArchitecturesError(RuntimeError):
    """Processes of one search have different architectures."""


def architecture_hash(net: SuperNet) -> str:
    """Return the SHA-256 of the architecture parameters, pruned candidates and merged choices."""
    digest = hashlib.sha256()
    for value in (net.alive, net.merged, *net.arch.values()):
        digest.update(value.detach().double().cpu().numpy().tobytes())
    return digest.hexdigest()


def require_one_architecture(net: SuperNet, epoch: int) -> None:
    """Compare the architectures of all processes after an epoch.

    Raises:
        DifferentArchitecturesError: In every process, if they differ.
    """
    if get_world_size() == 1:
        return
    hashes = all_gather_object(architecture_hash(net))
    if len(set(hashes)) > 1:
        held = ', '.join(f'rank {rank}: {text[:12]}' for rank, text in enumerate(hashes))
        raise DifferentArchitecturesError(
            f'after epoch {epoch} the processes have different architectures ({held}): a hook or '
            'optimizer of yours acts on some ranks only, or gradients are not averaged; '
            'the checkpoint of the last epoch is intact'
        )
