"""The contract of a search algorithm, which wraps a model whose backbone is a super-net."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import nn

from ..genotype import Genotype
from ..spaces.mixture import ArchPath, Mixture
from ..spaces.super_net import SuperNet
from ..utils.registries import MODELS
from .discretise import most_likely


class SearchAlgorithm(BaseModel):
    """Base of all algorithms. It trains as the wrapped model does.

    A subclass writes :meth:`decide`: which candidates the search would keep now.  It may also

    - add losses to one backward pass (:meth:`arch_losses`), or replace ``train_step``;
    - act between epochs (:meth:`before_epoch`, :meth:`after_epoch`);
    - name more optimizers (:meth:`optim_parts`);
    - report: :meth:`distribution`, :meth:`details`, :meth:`remarks`, :meth:`pictures`.

    An algorithm decides only how to choose.  The engine calls these methods, writes what they
    return, and derives the network.

    Args:
        model: Config of a classifier, detector or segmentor whose ``backbone`` is a super-net.
        data_preprocessor: Passed to the wrapped model (mmengine's runner passes it to the
            algorithm).
        init_cfg: mmengine initialisation of the algorithm.

    Attributes:
        shared_statistics: Whether running statistics belong to many architectures, so that they
            must be recomputed before the super-net predicts as one of them.
        prunes: Whether the super-net loses or gains modules while it trains.
        advice: What to do if a search found no complete architecture.

    Raises:
        TypeError: If the model's backbone is not a super-net.
    """

    shared_statistics = False
    prunes = False
    advice = (
        'search for more epochs (train_cfg.max_epochs), with another rate '
        '(optim_wrapper.arch.optimizer.lr) or another --seed'
    )

    def __init__(
        self, model: dict, data_preprocessor: dict | None = None, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.model_config = copy.deepcopy(dict(model))
        if data_preprocessor is not None:
            self.model_config.setdefault('data_preprocessor', data_preprocessor)
        self.model = MODELS.build(copy.deepcopy(self.model_config))
        self.data_preprocessor = self.model.data_preprocessor
        if not isinstance(getattr(self.model, 'backbone', None), SuperNet):
            raise TypeError(
                f'{type(self).__name__}: model.backbone must be a super-net such as '
                f"'ppnas_mm.PPConvSuperNet', got {type(getattr(self.model, 'backbone', None))}"
            )

    @property
    def super_net(self) -> SuperNet:
        """The backbone that is searched."""
        return self.model.backbone

    @property
    def inherited(self) -> tuple[BaseModel, dict[str, Any]]:
        """The network whose weights the derived network inherits, and its config."""
        return self.model, self.model_config

    def arch_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters that the architecture optimizer owns, by name."""
        return self.super_net.arch_parameters()

    def optim_parts(self) -> dict[str, list[nn.Parameter]]:
        """Return what each optimizer owns, by the optimizer's name; ``weights`` own the rest."""
        arch = list(self.arch_parameters().values())
        owned = {id(p) for p in arch}
        return {'weights': [p for p in self.parameters() if id(p) not in owned], 'arch': arch}

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Run the wrapped model; in ``'loss'`` mode add :meth:`arch_losses` to its losses."""
        outputs = self.model(inputs, data_samples, mode=mode)
        if mode != 'loss':
            return outputs
        # mmpretrain calls its loss 'loss', the name under which the sum is logged
        outputs = {'loss_task' if k == 'loss' else k: v for k, v in outputs.items()}
        # these are sums over a few small parameters: mixed precision would only add rounding errors
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            return {**outputs, **self.arch_losses()}

    def val_step(self, data: Any) -> Any:
        """Predict as the wrapped model does."""
        return self.model.val_step(data)

    def test_step(self, data: Any) -> Any:
        """Predict as the wrapped model does."""
        return self.model.test_step(data)

    def predict_as(self, mixture: Mixture, net: SuperNet | None = None) -> None:
        """Set how the super-net (or another one) combines candidates outside ``using``."""
        (net or self.super_net).mixture = mixture

    def arch_losses(self) -> dict[str, torch.Tensor]:
        """Return additional losses; their names contain ``loss``."""
        return {}

    def before_epoch(self, epoch: int) -> None:
        """Act before epoch ``epoch`` (from 1)."""

    def after_epoch(self, epoch: int) -> None:
        """Act after epoch ``epoch`` (from 1): prune, resample, change the mixture."""

    def decide(self, strict: bool) -> ArchPath:
        """Return the path that the search would choose now.

        Args:
            strict: Raise ``DegenerateArchitectureError`` rather than repair what is missing.
        """
        raise NotImplementedError

    def finalists(self, number: int) -> list[ArchPath]:
        """Return paths that a final round should compare, the strongest first.

        Raises:
            ValueError: If the space chooses connections.
        """
        return most_likely(self.super_net, self.distribution(), number)

    def derive(self, strict: bool = True, provenance: dict[str, Any] | None = None) -> Genotype:
        """Return the genotype of :meth:`decide`.

        Raises:
            DegenerateArchitectureError: With ``strict``, if nodes are empty or inputs dropped.
        """
        return self.super_net.to_genotype(self.decide(strict), provenance)

    @torch.no_grad()
    def distribution(self) -> dict[str, list[float]]:
        """the sigmoids of gates or the softmax of operations; 0: pruned."""
        found = {}
        for name, p in self.super_net.arch.items():
            alive = list(self.super_net.alive_candidates(name))
            values = torch.zeros_like(p)
            gates = self.super_net.choices[name].gates
            values[alive] = p[alive].sigmoid() if gates else p[alive].softmax(0)
            found[name] = values.tolist()
        return found

    def remarks(self) -> list[str]:
        """Return remarks about the result for the user, when the search ends."""
        return []

    def details(self) -> dict[str, Any]:
        """Return extra fields for this epoch's record."""
        return {}

    def pictures(self) -> dict[str, Callable[[Mapping[str, Any], Path], None]]:
        """Return the algorithm's own pictures, drawn from the record when a search ends.

        A dict from file name to a function of the record and the path of the file.
        """
        return {}
