"""Which convolutions of a network a plug-and-play block can replace, and the stage of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

SIZES = (64, 224, 384, 512)
"""Height and width in pixels of the images that find the stages: the first that a network takes."""


class PlugError(ValueError):
    """A network in which no block can be plugged, or not where it was asked for."""


class Place(NamedTuple):
    """A convolution to replace: its name, its stage from 0, its channels and dilation."""

    name: str
    stage: int
    width: int
    dilation: int


class Map(NamedTuple):
    """A map that the network returns: its channels and its stride; stride 0: a vector (N, C)."""

    channels: int
    stride: int


class Trace(NamedTuple):
    """What convolutions compute for an image, what the network returns, and the image's size."""

    outputs: list[Tensor]
    maps: list[Tensor]
    size: int


def find_places(net: nn.Module, where: str | None, groups: int) -> tuple[list[Place], list[Map]]:
    """Find the convolutions of stride 1 that blocks of ``groups`` groups replace.

    A convolution belongs to the stage of the first map returned that depends on it and has its
    resolution; without such a map, to that of the first that depends on it.  A network with one map
    has a stage for each resolution.  Stages without a convolution to replace are not counted.

    Args:
        net: A backbone of any library; takes images, returns a map or several.
        where: Regular expression that the whole name of a convolution matches.  ``None``: every 3x3
            in one group with as many channels out as in, at least ``groups``.
        groups: Number D of groups of a block.

    Returns:
        The places, and the maps that the network returns.

    Raises:
        PlugError: If there is none, or a convolution that ``where`` names changes its width, has
            another padding than "same", or channels that D does not divide.
    """
    chosen = _named(net, where) if where else _usual(net, groups)
    if not chosen:
        what = (
            f'where={where!r} names no k x k convolution of stride 1'
            if where
            else f'no 3x3 convolution in one group with equal channels, {groups} or more,'
        )
        names = _some_names(net)
        could = f'; `where` can name {names}' if names else ', which has no convolution to replace'
        raise PlugError(f'{what} in {type(net).__name__}{could}')
    odd = {name: c.in_channels for name, c in chosen.items() if c.in_channels % groups}
    if odd:
        name, width = next(iter(odd.items()))
        raise PlugError(
            f'{len(odd)} convolutions have channels that D={groups} does not divide, such as '
            f'{name} with {width}; choose another D, or others by `where`'
        )
    trace = run(net, list(chosen.values()))
    stages = _stages(trace.outputs, trace.maps)
    found = [
        Place(name, stage, conv.in_channels, conv.dilation[0])
        for (name, conv), stage in zip(chosen.items(), stages, strict=True)
        if stage is not None
    ]
    if not found:
        raise PlugError(f'no map of {type(net).__name__} depends on {", ".join(chosen):.200}')
    return found, as_maps(trace)


def as_maps(trace: Trace) -> list[Map]:
    """Return channels and stride of what a network returns."""
    return [Map(m.shape[1], trace.size // m.shape[-1] if m.ndim == 4 else 0) for m in trace.maps]


def _is_candidate(module: nn.Module) -> bool:
    return (
        type(module) is nn.Conv2d
        and module.stride == (1, 1)
        and module.kernel_size[0] == module.kernel_size[1] > 1
    )


def _convs(net: nn.Module) -> dict[str, Any]:
    return {name: module for name, module in net.named_modules() if _is_candidate(module)}


def _usual(net: nn.Module, groups: int) -> dict[str, Any]:
    return {
        name: conv
        for name, conv in _convs(net).items()
        if conv.kernel_size == (3, 3)
        and conv.groups == 1
        and conv.in_channels == conv.out_channels >= groups
        and _keeps_size(conv)
    }


def _keeps_size(conv: Any) -> bool:
    size, dilation = conv.kernel_size[0], conv.dilation
    same = dilation[0] * (size - 1) // 2
    return dilation[0] == dilation[1] and conv.padding in ('same', (same, same))


def _named(net: nn.Module, where: str) -> dict[str, Any]:
    try:
        pattern = re.compile(where)
    except re.error as error:
        raise PlugError(f'where={where!r}: not a regular expression: {error}') from None
    chosen = {name: conv for name, conv in _convs(net).items() if pattern.fullmatch(name)}
    for name, conv in chosen.items():
        if conv.in_channels != conv.out_channels:
            raise PlugError(
                f'where={where!r}: {name} maps {conv.in_channels} channels to {conv.out_channels}; '
                'a block keeps the number of channels'
            )
        if not _keeps_size(conv):
            raise PlugError(
                f'where={where!r}: {name} has padding {conv.padding}, which changes the size; a '
                'block keeps it'
            )
    return chosen


def _some_names(net: nn.Module) -> str:
    names = list(_convs(net))
    return ', '.join(names[:3] + ['...'] * (len(names) > 3))


@contextmanager
def _traceable(net: nn.Module) -> Iterator[None]:
    """In a ``with`` block no statistics change, and no activations are recomputed."""
    modules: list[Any] = list(net.modules())
    training = [module.training for module in modules]
    recomputing = [module for module in modules if getattr(module, 'with_cp', False)]
    net.eval()
    for module in recomputing:
        module.with_cp = False
    try:
        yield
    finally:
        for module, mode in zip(modules, training, strict=True):
            module.training = mode
        for module in recomputing:
            module.with_cp = True


def run(net: nn.Module, convs: Sequence[Any] = ()) -> Trace:
    """Return what each convolution computes for an image, and the maps, with their graph.

    Raises:
        PlugError: If the network takes no image of :data:`SIZES`, or returns anything but maps and
            vectors.
    """
    outputs: dict[int, Tensor] = {}

    def keep(conv: nn.Module, _: Any, output: Tensor) -> None:
        outputs[id(conv)] = output

    hooks = [conv.register_forward_hook(keep) for conv in convs]
    try:
        with _traceable(net), torch.enable_grad():
            found, size = _first_that_runs(net)
    finally:
        for hook in hooks:
            hook.remove()
    maps = [found] if isinstance(found, Tensor) else list(found)
    if not all(isinstance(m, Tensor) and m.ndim in (2, 4) for m in maps):
        raise PlugError(f'{type(net).__name__} returns other things than maps (N, C, H, W)')
    nothing = torch.zeros(1, 1, 1, 1)
    return Trace([outputs.get(id(conv), nothing) for conv in convs], maps, size)


def _first_that_runs(net: nn.Module) -> tuple[Any, int]:
    """Return what a network returns for the smallest image that it takes, and the image's size."""
    convs: list[Any] = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    channels = dict.fromkeys([3, *(conv.in_channels for conv in convs[:1])])
    like, said = next(net.parameters()), ''
    for size in SIZES:
        for number in channels:
            image = like.new_zeros(1, number, size, size).requires_grad_()
            try:
                return net(image), size
            except Exception as error:  # each library has its own way to say that it does not fit
                said = said or (str(error).splitlines() or [type(error).__name__])[0]
    raise PlugError(f'{type(net).__name__} takes no image of {SIZES} pixels: {said}')


@torch.enable_grad()
def _stages(outputs: list[Tensor], maps: list[Tensor]) -> list[int | None]:
    """Return the stage of each output, from 0; ``None``: no map depends on it."""
    reached: list[list[int]] = [[] for _ in outputs]
    asked = [i for i, output in enumerate(outputs) if output.requires_grad]
    for k, one in enumerate(maps):
        if not one.requires_grad or not asked:
            continue
        grads = torch.autograd.grad(
            one.sum(), [outputs[i] for i in asked], retain_graph=True, allow_unused=True
        )
        for i, grad in zip(asked, grads, strict=True):
            if grad is not None:
                reached[i].append(k)
    keys: list[tuple[str, int] | None] = []
    for output, depends in zip(outputs, reached, strict=True):
        size = output.shape[-1]
        same = [k for k in depends if maps[k].ndim == 4 and maps[k].shape[-1] == size]
        if not depends:
            keys.append(None)
        else:
            keys.append(('size', size) if len(maps) == 1 else ('map', [*same, *depends][0]))
    order = list(dict.fromkeys(key for key in keys if key is not None))
    return [None if key is None else order.index(key) for key in keys]


def replace(net: nn.Module, places: list[Place], build: Callable[[Place], nn.Module]) -> None:
    """Replace the convolutions of a network by what ``build`` returns."""
    for place in places:
        parent, _, name = place.name.rpartition('.')
        setattr(net.get_submodule(parent), name, build(place))
