"""The two networks of CDARTS: shared parts, and the outputs in which they are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn


class Outputs(NamedTuple):
    """Outputs of a network at its levels: features after each reduction, and the logits."""

    features: list[Tensor]
    logits: Tensor


class NetworkPair:
    """The search network and the evaluation network of a search.

    They share alpha, the preprocessor and optionally the stem.

    Args:
        search: The wrapped model; its backbone is a super-net.
        evaluation: The same model with another backbone of the same space.
        logits: Name of the module that outputs the logits.
        share_stem: Whether both share a stem.
        told: The config of the evaluation network, for error messages.

    Attributes:
        channels: Channels of the features, the same in both.

    Raises:
        ValueError: If the networks do not match, or there is no such module.
    """

    def __init__(
        self, search: BaseModel, evaluation: BaseModel, logits: str, share_stem: bool, told: dict
    ) -> None:
        self.search, self.evaluation = search, evaluation
        mine: Any = search.backbone
        theirs: Any = evaluation.backbone
        for name in mine.stem_blocks if share_stem else ():
            _share_module(mine, theirs, name)
        theirs.arch = mine.arch
        evaluation.data_preprocessor = search.data_preprocessor
        self.search_names, self.evaluation_names = (
            [f'backbone.{name}' for name in net.reduction_blocks] + [logits]
            for net in (mine, theirs)
        )
        self.channels, other = (channels_of(net, net.reduction_blocks) for net in (mine, theirs))
        if self.channels != other:
            raise ValueError(
                f'evaluation={told}: its reductions output {other} channels, those of the '
                f'search network {self.channels}; both networks share the embedding heads'
            )

    def check_logits(self, name: str, classes: int) -> None:
        """Reject a logits module that does not exist or has another number of classes."""
        try:
            module: Any = self.search.get_submodule(name)
        except AttributeError:
            raise ValueError(f'logits={name!r}: the model has no such module') from None
        width = getattr(module, 'out_features', getattr(module, 'out_channels', classes))
        if width != classes:
            raise ValueError(f'classes={classes}: {name} outputs {width}')

    def check_same_size(self) -> None:
        """Raise ``ValueError`` if the evaluation network cannot take over all weights."""
        mine = dict(self.search.named_parameters())
        for name, value in self.evaluation.named_parameters():
            one_dimensional = value.dim() < 2 and name not in mine  # of its norms
            if not one_dimensional and (name not in mine or mine[name].shape != value.shape):
                raise ValueError(
                    f'inherit_weights: {name} has another shape in the search network, or is not '
                    'there; expected an evaluation network of its size'
                )

    @torch.no_grad()
    def copy_weights(self) -> None:
        """Give the evaluation network the weights and statistics of the search network."""
        mine = self.search.state_dict()
        for name, value in self.evaluation.state_dict(keep_vars=True).items():
            if name in mine:
                value.copy_(mine[name])

    def observe(self, model: BaseModel, run: Callable[[], Tensor]) -> tuple[Tensor, Outputs]:
        """Run one of the networks; return the result and the outputs of its levels.

        Args:
            model: ``search`` or ``evaluation``.
            run: Runs it once.
        """
        names = self.search_names if model is self.search else self.evaluation_names
        with captured(model, names) as found:
            result = run()
        *features, logits = (found[name] for name in names)
        return result, Outputs(features, logits)


def _share_module(mine: nn.Module, theirs: nn.Module, name: str) -> None:
    """Replace a module of one backbone by that of the other."""
    parent, _, child = name.rpartition('.')
    shapes, own = (
        [p.shape for p in net.get_submodule(name).parameters()] for net in (mine, theirs)
    )
    if shapes != own:
        raise ValueError(
            f'evaluation: {name} has another width than in the search network, which shares it'
        )
    theirs.get_submodule(parent).register_module(child, mine.get_submodule(name))


@contextmanager
def captured(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collect what submodules return in the forward passes of the enclosed block.

    Args:
        model: The whole model.
        names: Names of its submodules.

    Raises:
        AttributeError: If the model has no such submodule.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: found.__setitem__(name, output)

    handles = [model.get_submodule(n).register_forward_hook(keep(n)) for n in names]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def channels_of(net: nn.Module, names: Sequence[str]) -> list[int]:
    """Return the output channels of submodules of a backbone, from a forward on a small image."""
    first = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    training = net.training
    with captured(net.eval(), names) as found:
        net(first.weight.new_zeros(1, first.in_channels, 64, 64))
    net.train(training)
    return [found[name].shape[1] for name in names]
