"""The PPConv search space (PP-NAS, Section III-A) as a super-net backbone.

The middle convolution of each stride-1 bottleneck is a :class:`MixedPPConv`.  The D groups of its
input are nodes 0..D-1; output node j reads the D inputs and the outputs before it, so with D = 4 a
stage has 4 + 5 + 6 + 7 = 22 connections and 4 operations, shared by all its blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..backbones.pp_resnet import PRESETS, MacroResNet, macro_settings
from ..layers.ops import ConvStyle, OpSpec, build_op
from ..utils.registries import MODELS
from .mixed import Mixed
from .mixture import ArchPath, Choice, NodeMix, Relaxed, Weights, mixed_sum
from .super_net import SuperNet

DERIVED = {'imagenet': 'ppnas_mm.PPResNet', 'cifar': 'ppnas_mm.PPResNetCIFAR'}


class MixedPPConv(Mixed):
    """PPConv with every candidate; a function of the input and the weights of its stage.

    Args:
        cell: Name of the cell, the stage.
        groups: Number D of input nodes and of output nodes.
        ops: Names of the candidate operations.
        width: Channels, a multiple of ``groups``.
        dilation: Dilation of the convolutions.
        style: Convolution, norm and activation configs.
    """

    def __init__(
        self,
        cell: str,
        groups: int,
        ops: Sequence[str],
        width: int,
        dilation: int,
        style: ConvStyle,
    ) -> None:
        super().__init__(cell, groups)
        self.ops = tuple(ops)
        self.groups = groups
        spec = OpSpec(width // groups, width // groups, style, dilation=dilation)
        self.nodes.extend(
            nn.ModuleDict({op: build_op(op, spec) for op in ops}) for _ in range(groups)
        )

    def forward(self, x: Tensor, mix: Sequence[NodeMix]) -> Tensor:
        """Map ``(N, width, H, W)`` to the same shape.

        ``mix`` holds, for each output node, the weights of its inputs (eq. 1) and ops (eq. 2).
        """
        weights = [(node.gates, node.ops[None]) for node in mix]
        every = all(inputs.value is not None for inputs, _ in weights)
        mixed = mix_groups(x, [inputs for inputs, _ in weights], self.groups) if every else None
        states = list(x.chunk(self.groups, dim=1))
        node: Any
        for j, (node, (inputs, ops)) in enumerate(zip(self.nodes, weights, strict=True)):
            if mixed is None:
                y = mixed_sum(inputs, [states[i] for i in inputs.kept])
            else:
                y = _add_nodes(mixed[j], inputs, states, self.groups)
            states.append(mixed_sum(ops, [node[self.ops[i]](y) for i in ops.kept]))
        return torch.cat(states[self.groups :], dim=1)


def mix_groups(x: Tensor, inputs: Sequence[Weights], groups: int) -> list[Tensor]:
    """Return the input nodes' part of the sum in eq. 1, for each output node.

    One matrix product over the groups replaces ``groups`` products and sums per node, which read
    short runs of channels slowly.

    Args:
        x: ``(N, width, H, W)``; the groups lie side by side in its channels.
        inputs: The kept connections and their scales, for each output node.
        groups: Number of groups.
    """
    n, _, h, w = x.shape
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    if last:
        split = x.permute(0, 2, 3, 1).reshape(n, h, w, groups, -1).permute(3, 0, 1, 2, 4)
    else:
        split = x.reshape(n, groups, -1, h, w).transpose(0, 1)
    rows = torch.stack([_row(weights, groups) for weights in inputs])
    mixed = (rows.to(x.dtype) @ split.reshape(groups, -1)).unbind()
    if last:
        return [y.view(n, h, w, -1).permute(0, 3, 1, 2) for y in mixed]
    return [y.view(n, -1, h, w) for y in mixed]


def _row(weights: Weights, groups: int) -> Tensor:
    """Return the scales of all input nodes, with 0 for unread ones."""
    assert weights.value is not None
    kept = [i for i in weights.kept if i < groups]  # ascending, so these are the first
    row = weights.value[: len(kept)]
    if len(kept) == groups:
        return row
    return row.new_zeros(groups).index_put((torch.tensor(kept, device=row.device),), row)


def _add_nodes(y: Tensor, inputs: Weights, states: Sequence[Tensor], groups: int) -> Tensor:
    """Add the output nodes that a node reads."""
    assert inputs.value is not None
    for scale, i in zip(inputs.value.unbind(), inputs.kept, strict=True):
        if i >= groups:
            y = torch.addcmul(y, states[i], scale.to(y.dtype))
    return y


class PPConvSpace(SuperNet):
    """The choices of plug-and-play blocks; the other base class is the network around them."""

    space = 'ppconv'

    @classmethod
    def check_blocks(cls, ops: Sequence[str], groups: int) -> None:
        """Check the candidates and the number of groups.

        Raises:
            ValueError: If an operation is not in the space, or there is no group.
        """
        cls.check_ops(ops)
        if groups < 1:
            raise ValueError(f'groups={groups}: expected 1 or more')

    def set_cells(self, cells: Sequence[str], ops: Sequence[str], groups: int) -> None:
        """Set the choices of these cells: inputs and operation of each output node."""
        self.cell_inputs = groups
        choices = []
        for cell in cells:
            for node in range(groups, 2 * groups):
                choices.append(Choice(cell, node, tuple(map(str, range(node))), gates=True))
                choices.append(Choice(cell, node, tuple(ops)))
        self.set_choices(choices, Relaxed())

    def random_path(self, rng: np.random.Generator) -> ArchPath:
        """Draw a path with one identity and 3x3 convolutions in each stage, as the authors did.

        All such architectures have the same size.  If these are not candidates, others are drawn.
        """
        path = dict(super().random_path(rng))
        for cell in {choice.cell: None for choice in self.choices.values()}:
            names = [n for n, c in self.choices.items() if c.cell == cell and not c.gates]
            keeper = names[int(rng.integers(len(names)))]
            for name in names:
                ops, alive = self.choices[name].candidates, self._alive[name]
                kept = 'identity' if name == keeper else 'conv_3x3'
                others = [i for i in alive if (ops[i] == 'identity') == (name == keeper)]
                wanted = [i for i in alive if ops[i] == kept] or others
                if wanted:
                    path[name] = (int(rng.choice(wanted)),)
        return path


@MODELS.register_module()
class PPConvSuperNet(PPConvSpace, MacroResNet):
    """The PP-NAS super-net: a ResNet that searches its plug-and-play blocks.

    Args:
        depth: Depth of the network: 50, 101, 152 (``imagenet``) or 9n + 2 (``cifar``).
        macro: ``'imagenet'`` (four stages, vd stem) or ``'cifar'`` (three stages).
        ops: Candidate operations; the paper's are identity, 1x1 and 3x3 convolution.
        groups: Number D of groups.
        **kwargs: See :class:`MacroResNet`; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not in the space, or too few are given.
    """

    def __init__(
        self,
        depth: int = 110,
        macro: str = 'cifar',
        ops: Sequence[str] = ('identity', 'conv_1x1', 'conv_3x3'),
        groups: int = 4,
        **kwargs: Any,
    ) -> None:
        if macro not in PRESETS:
            raise ValueError(f'macro={macro!r}: expected one of {list(PRESETS)}')
        self.check_blocks(ops, groups)

        def build(stage: int, spec: OpSpec) -> nn.Module:
            cell, width = f'stage{stage + 1}', spec.in_channels
            return MixedPPConv(cell, groups, ops, width, spec.dilation, spec.style)

        settings = macro_settings(macro, depth)
        super().__init__(**{**settings, **kwargs}, conv2=build, groups=groups)
        for name in self.stage_names:
            if not any(isinstance(m, MixedPPConv) for m in getattr(self, name).modules()):
                raise ValueError(
                    f'depth={depth}: {name} has no block to search; take a deeper network'
                )
        self.derived_config = dict(type=DERIVED[macro], depth=depth, **kwargs)
        self.set_cells([f'stage{s + 1}' for s in range(len(self.stages))], ops, groups)
