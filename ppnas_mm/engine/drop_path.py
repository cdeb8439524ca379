"""Drop path with a probability that grows during training (DARTS; CDARTS, Section 4.3)."""

from __future__ import annotations

from typing import Any

from mmcv.cnn.bricks import DropPath
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ..utils.registries import HOOKS


@HOOKS.register_module()
class DropPathHook(Hook):
    """Raises the drop path of the backbone linearly: ``rate * epoch / max_epochs``.

    ``rate`` is the backbone's ``drop_path_rate``; the first epoch is 0 and drops nothing.  The
    probability depends on the epoch only, so a resumed run continues correctly.
    """

    def before_train(self, runner: Any) -> None:
        """Check that the backbone has drop path.

        Raises:
            ValueError: If the backbone has no drop path.
        """
        self.find(runner.model)

    def before_train_epoch(self, runner: Any) -> None:
        """Set the probability of this epoch."""
        rate, modules = self.find(runner.model)
        for module in modules:
            module.drop_prob = rate * runner.epoch / runner.max_epochs

    @staticmethod
    def find(model: Any) -> tuple[float, list[DropPath]]:
        """Return the final rate of a model's backbone and its modules that drop paths."""
        model = model.module if is_model_wrapper(model) else model
        backbone = model.backbone
        rate = getattr(backbone, 'drop_path_rate', 0.0)
        modules = [module for module in backbone.modules() if isinstance(module, DropPath)]
        if not rate or not modules:
            raise ValueError(
                f'DropPathHook: {type(backbone).__name__} has no drop path; set drop_path_rate in '
                'the backbone, or remove the hook'
            )
        return rate, modules
