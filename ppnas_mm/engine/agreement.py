"""All processes of a search hold one architecture, or the search stops."""

from __future__ import annotations

import hashlib

from mmengine.dist import all_gather_object, get_world_size

from ..spaces.super_net import SuperNet


class DifferentArchitecturesError(RuntimeError):
    """Processes of one search hold different architectures."""


def architecture_hash(net: SuperNet) -> str:
    """Return the SHA-256 of the architecture parameters, what is pruned and what is merged."""
    digest = hashlib.sha256()
    for value in (net.alive, net.merged, *net.arch.values()):
        digest.update(value.detach().double().cpu().numpy().tobytes())
    return digest.hexdigest()


def require_one_architecture(net: SuperNet, epoch: int) -> None:
    """Compare the architecture of all processes, after an epoch.

    Raises:
        DifferentArchitecturesError: In every process, if it is not the same in all.
    """
    if get_world_size() == 1:
        return
    hashes = all_gather_object(architecture_hash(net))
    if len(set(hashes)) > 1:
        held = ', '.join(f'rank {rank}: {text[:12]}' for rank, text in enumerate(hashes))
        raise DifferentArchitecturesError(
            f'after epoch {epoch} the processes hold different architectures ({held}): a hook or '
            'an optimizer of yours acts on some ranks only, or the averaging of gradients is off; '
            'the checkpoint of the epoch before is intact'
        )
