"""The PPConv search space (PP-NAS, Section III-A) as a super-net backbone.

Each stride-1 bottleneck's middle convolution is a :class:`MixedPPConv`.  The D groups of its input
are nodes 0..D-1; output node j reads the D inputs and the outputs before it, so with D = 4 a stage
has 4 + 5 + 6 + 7 = 22 connections and 4 operations, shared by all its blocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..backbones.pp_resnet import MacroResNet, cifar_macro, imagenet_macro
from ..genotype import SPACE_RULES, Cell, Edge, Genotype, GenotypeError
from ..ops import OPS, ConvStyle, build_op
from ..registry import MODELS
from .base import SuperNet
from .mixture import Choice, Path, Relaxed, Weights, mixed_sum

MACROS: dict[str, tuple[Callable[[int], dict[str, Any]], str]] = {
    'imagenet': (imagenet_macro, 'ppnas_mm.PPResNet'),
    'cifar': (cifar_macro, 'ppnas_mm.PPResNetCIFAR'),
}
StageWeights = Sequence[tuple[Weights, Weights]]


class MixedPPConv(nn.Module):
    """PPConv with every candidate; a function of the input and the weights of its stage.

    Args:
        groups: Number D of input nodes and of output nodes.
        ops: Names of the candidate operations.
        width: Channels, a multiple of ``groups``.
        dilation: Dilation of the convolutions.
        style: Convolution, norm and activation configs.
    """

    def __init__(
        self, groups: int, ops: Sequence[str], width: int, dilation: int, style: ConvStyle
    ) -> None:
        super().__init__()
        self.ops = tuple(ops)
        self.groups = groups
        channels = width // groups
        self.nodes = nn.ModuleList(
            nn.ModuleDict({op: build_op(op, channels, dilation, style) for op in ops})
            for _ in range(groups)
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
        known = SPACE_RULES[self.space].ops & set(OPS)
        if not ops or len(set(ops)) != len(ops) or not set(ops) <= known:
            raise ValueError(f'ops={ops}: expected different operations of {sorted(known)}')
        if groups < 1:
            raise ValueError(f'groups={groups}: expected 1 or more')
        settings, derived = MACROS[macro]

        def build(stage: int, width: int, dilation: int, style: ConvStyle) -> nn.Module:
            return MixedPPConv(groups, ops, width, dilation, style)

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
                cell, name = f'stage{s + 1}', f'stage{s + 1}/node{node}'
                sources = tuple(map(str, range(node)))
                choices.append(Choice(f'{name}/inputs', sources, True, cell, node))
                choices.append(Choice(f'{name}/op', tuple(ops), False, cell, node))
        self.set_choices(choices, Relaxed())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Map images to the maps of ``out_indices``, mixed as :attr:`mixture` says."""
        weights = iter(self.mix().values())
        nodes = list(zip(weights, weights, strict=True))
        stages = [nodes[s : s + self.cell_inputs] for s in range(0, len(nodes), self.cell_inputs)]
        return MacroResNet.forward(self, x, stages)

    def drop(self, choice: Choice, op: str) -> None:
        """Delete ``op`` from its node in every block of the stage."""
        for module in getattr(self, choice.cell.replace('stage', 'layer')).modules():
            if isinstance(module, MixedPPConv):
                node: Any = module.nodes[choice.node - self.cell_inputs]
                del node[op]

    def to_genotype(self, path: Path, provenance: Mapping[str, Any] | None = None) -> Genotype:
        """Translate a path to a genotype: one cell a stage, one edge a node."""
        nodes: dict[str, list[tuple[Edge, ...]]] = {}
        choices = iter(self.choices.values())
        for gates, op in zip(choices, choices, strict=True):
            sources = tuple(int(gates.candidates[i]) for i in path[gates.name])
            edge = Edge(op.candidates[path[op.name][0]], sources)
            nodes.setdefault(op.cell, []).append((edge,))
        cells = tuple(Cell(name, self.cell_inputs, tuple(n)) for name, n in nodes.items())
        return Genotype(self.space, cells, provenance or {})

    def to_path(self, genotype: Genotype) -> Path:
        """Translate a genotype to a path of this super-net."""
        if genotype.space != self.space:
            raise GenotypeError(f'the super-net searches {self.space!r}, not {genotype.space!r}')
        path: dict[str, tuple[int, ...]] = {}
        for cell in genotype.cells:
            for node, (edge,) in enumerate(cell.nodes, cell.inputs):
                name = f'{cell.name}/node{node}'
                if f'{name}/op' not in self.choices or cell.inputs != self.cell_inputs:
                    raise GenotypeError(f'{name} of the genotype is not in this super-net')
                candidates = self.choices[f'{name}/op'].candidates
                if edge.op not in candidates:
                    raise GenotypeError(f'{name}: {edge.op!r} is not among {candidates}')
                path[f'{name}/inputs'] = edge.sources
                path[f'{name}/op'] = (candidates.index(edge.op),)
        if len(path) != len(self.choices):
            raise GenotypeError(f'the genotype decides {len(path)} of {len(self.choices)} choices')
        return path

    def backbone_config(self, genotype: Genotype) -> dict[str, Any]:
        """Return the config of the PP-ResNet of the same depth and width."""
        return dict(self.derived_config, arch=genotype.to_dict())

    def derived_key(self, genotype: Genotype) -> Callable[[str], str | None]:
        """Map ``layerS.B.conv2.nodes.J.OP.rest`` to ``layerS.B.conv2.nodes.J.rest``."""
        ops = {
            (s, j): edge.op
            for s, cell in enumerate(genotype.cells, 1)
            for j, (edge,) in enumerate(cell.nodes)
        }

        def rename(key: str) -> str | None:
            match = re.match(r'(layer(\d+)\.\d+\.conv2\.nodes\.(\d+))\.(\w+)\.(.*)', key)
            if match is None:
                return key
            head, stage, node, op, rest = match.groups()
            return f'{head}.{rest}' if ops[int(stage), int(node)] == op else None

        return rename

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
