"""Links between the tensors of two formats: the other name, and the order of the axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

COUNTER = 'num_batches_tracked'
"""Counter of a norm's steps: nothing depends on it, and old files lack it."""


class FormatError(ValueError):
    """A network or a request that a format of weights has no rule for."""


Axes = Callable[[Tensor], Tensor]
LAYOUTS: dict[str, tuple[Axes, Axes]] = {
    'same': (lambda t: t, lambda t: t),
    # a linear layer here is a 1x1 convolution there
    'pointwise': (lambda t: t.flatten(1), lambda t: t[:, :, None, None]),
    # Keras: kernels are (height, width, in, out), matrices (in, out)
    'hwio': (lambda t: t.permute(3, 2, 0, 1), lambda t: t.permute(2, 3, 1, 0)),
    'dense': (lambda t: t.t(), lambda t: t.t()),
}
"""From theirs to ours, from ours to theirs."""


def arrange(tensor: Tensor, layout: str, ours: bool) -> Tensor:
    """Order the axes as here (``ours``) or there; a tensor with other axes does not change."""
    axes = {'same': tensor.dim(), 'dense': 2, 'pointwise': 4 if ours else 2}.get(layout, 4)
    return LAYOUTS[layout][not ours](tensor) if tensor.dim() == axes else tensor


@dataclass(frozen=True)
class Link:
    """The other side of one of our tensors.

    Args:
        names: Its possible names there; the first one is written.
        layout: A key of :data:`LAYOUTS`.
    """

    names: tuple[str, ...]
    layout: str = 'same'


Links = dict[str, Link]
Parts = tuple[tuple[str, str], ...]
"""(module here, module there), both inside an outer module."""


def inside(here: str, there: str, parts: Parts) -> dict[str, str]:
    """Return the paths of ``parts``, here to there, inside two outer modules."""
    return {f'{here}.{a}': f'{there}.{b}' for a, b in parts}


def link_modules(
    model: nn.Module, paths: Mapping[str, str], form: str, layouts: Mapping[str, str] | None = None
) -> Links:
    """Link every tensor of a model through the path of its module there.

    Args:
        model: Our network.
        paths: Path of every module that holds tensors: here to there.
        form: Name of the format, for the error.
        layouts: Layout of the weight of a module, by its path here, where it is not the same.

    Raises:
        FormatError: If a tensor has no counterpart in the format.
    """
    links = {}
    for key in model.state_dict():
        module, _, name = key.rpartition('.')
        if module not in paths:
            raise FormatError(f'format {form!r} has no name for {key!r}')
        layout = (layouts or {}).get(module, 'same') if name == 'weight' else 'same'
        links[key] = Link((f'{paths[module]}.{name}',), layout)
    return links


def backbone_of(model: nn.Module) -> tuple[str, nn.Module]:
    """Return the prefix of the backbone's keys, and the backbone (the model, if it is one)."""
    inner = getattr(model, 'backbone', None)
    return ('', model) if inner is None else ('backbone.', inner)
