"""The PPConv search space (PP-NAS, Section III-A) as a super-net backbone.

Each stride-1 bottleneck's middle convolution is a :class:`MixedPPConv`.  The D groups of its input
are nodes 0..D-1; output node j reads the D inputs and the outputs before it, so with D = 4 a stage
has 4 + 5 + 6 + 7 = 22 connections and 4 operations, shared by all its blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..backbones.pp_resnet import MacroResNet, cifar_macro, imagenet_macro
from ..ops import ConvStyle, OpSpec, build_op
from ..registry import MODELS
from .base import Mixed, SuperNet
from .mixture import Choice, Path, Relaxed, Weights, mixed_sum

MACROS: dict[str, tuple[Callable[[int], dict[str, Any]], str]] = {
    'imagenet': (imagenet_macro, 'ppnas_mm.PPResNet'),
    'cifar': (cifar_macro, 'ppnas_mm.PPResNetCIFAR'),
}
StageWeights = Sequence[tuple[Weights, Weights]]


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

    def forward(self, x: Tensor, weights: StageWeights) -> Tensor:
        """Map ``(N, width, H, W)`` to the same shape.

        ``weights`` holds, for each output node, those of its inputs (eq. 1) and of its ops (eq. 2).
        """
        states = list(x.chunk(self.groups, dim=1))
        node: Any
        for node, (inputs, ops) in zip(self.nodes, weights, strict=True):
            y = mixed_sum(inputs, [states[i] for i in inputs.kept])
            states.append(mixed_sum(ops, [node[self.ops[i]](y) for i in ops.kept]))
        return torch.cat(states[self.groups :], dim=1)


@MODELS.register_module()
class PPConvSuperNet(SuperNet, MacroResNet):
    """The PP-NAS super-net: a ResNet that searches its plug-and-play blocks.

    Args:
        depth: Depth of the network: 50, 101, 152 (``imagenet``) or 9n + 2 (``cifar``).
        macro: ``'imagenet'`` (four stages, vd stem) or ``'cifar'`` (three stages).
        ops: Candidate operations; the paper's are identity, 1x1 and 3x3 convolution.
        groups: Number D of groups.
        **kwargs: See :class:`MacroResNet`; also the arguments of the derived network.

    Raises:
        ValueError: If an operation is not one of the space, or too few are given.
    """

    space = 'ppconv'

    def __init__(
        self,
        depth: int = 110,
        macro: str = 'cifar',
        ops: Sequence[str] = ('identity', 'conv_1x1', 'conv_3x3'),
        groups: int = 4,
        **kwargs: Any,
    ) -> None:
        if macro not in MACROS:
            raise ValueError(f'macro={macro!r}: expected one of {list(MACROS)}')
        self.check_ops(ops)
        if groups < 1:
            raise ValueError(f'groups={groups}: expected 1 or more')
        settings, derived = MACROS[macro]

        def build(stage: int, width: int, dilation: int, style: ConvStyle) -> nn.Module:
            return MixedPPConv(f'stage{stage + 1}', groups, ops, width, dilation, style)

        super().__init__(**{**settings(depth), **kwargs}, conv2=build, groups=groups)
        for name in self.stage_names:
            if not any(isinstance(m, MixedPPConv) for m in getattr(self, name).modules()):
                raise ValueError(
                    f'depth={depth}: {name} has no block to search; take a deeper network'
                )
        self.derived_config = dict(type=derived, depth=depth, **kwargs)
        self.cell_inputs = groups
        choices = []
        for s in range(len(self.stages)):
            for node in range(groups, 2 * groups):
                sources = tuple(map(str, range(node)))
                choices.append(Choice(f'stage{s + 1}', node, sources, gates=True))
                choices.append(Choice(f'stage{s + 1}', node, tuple(ops)))
        self.set_choices(choices, Relaxed())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Map images to the maps of ``out_indices``, mixed as :attr:`mixture` says."""
        weights = iter(self.mix().values())
        nodes = list(zip(weights, weights, strict=True))
        stages = [nodes[s : s + self.cell_inputs] for s in range(0, len(nodes), self.cell_inputs)]
        return MacroResNet.forward(self, x, stages)

    def random_path(self, rng: np.random.Generator) -> Path:
        """Draw a path with one identity a stage, as the paper keeps, where candidates allow it."""
        path = dict(super().random_path(rng))
        for cell in {choice.cell: None for choice in self.choices.values()}:
            names = [n for n, c in self.choices.items() if c.cell == cell and not c.gates]
            keeper = names[int(rng.integers(len(names)))]
            for name in names:
                ops, alive = self.choices[name].candidates, self._alive[name]
                wanted = [i for i in alive if (ops[i] == 'identity') == (name == keeper)]
                if wanted:
                    path[name] = (int(rng.choice(wanted)),)
        return path
