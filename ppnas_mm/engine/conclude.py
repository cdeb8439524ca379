"""The end of a search: the genotype, the derived network with its scores, the pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.runner import set_random_seed
from torch import nn

from ..algorithms.base import SearchAlgorithm
from ..costs.counting import backbone_costs
from ..genotype import DegenerateArchitectureError, Genotype
from ..utils.batch_norm import recalibrate
from ..utils.files import write_atomic
from ..visualize.genotype import draw_genotype
from ..visualize.search import draw_search
from ..visualize.titles import found_title, stage_notes
from ..weights.checkpoint import save_derived
from .derive import derive_model
from .evaluate import evaluate
from .final_round import FinalRound, final_round
from .network_config import network_config
from .search_record import SearchRecord
from .seed import mix_seed, set_epoch
from .work_dir import NETWORK


def genotype_now(
    algorithm: SearchAlgorithm, record: SearchRecord, epoch: int, epochs: int, strict: bool
) -> Genotype:
    """Return the genotype that a search would choose after an epoch.

    Without ``strict`` a degenerate genotype is repaired, which its provenance records.

    Raises:
        DegenerateArchitectureError: With ``strict``, if nodes are empty or inputs dropped.
    """
    about = record.provenance(epoch, epochs)
    try:
        return algorithm.derive(True, dict(search=about, status='derived'))
    except DegenerateArchitectureError as error:
        if strict:
            raise
        status = f'provisional, repaired to be whole: {error}'
        return algorithm.derive(False, dict(search=about, status=status))


def mark_failed(
    algorithm: SearchAlgorithm, record: SearchRecord, epoch: int, epochs: int, reason: str
) -> None:
    """Write the repaired genotype of a failed search for pictures; no tool trains it."""
    about = dict(search=record.provenance(epoch, epochs), status=f'failed: {reason}')
    algorithm.derive(False, about).save(record.folder / 'genotype.json')


def conclude(
    runner: Any,
    algorithm: SearchAlgorithm,
    record: SearchRecord,
    recalibrate_batches: int,
    last: FinalRound | None = None,
) -> None:
    """Write the pictures, the genotype, the derived network's weights and the record.

    Args:
        runner: The runner with the data and with the weights of the search in its model.
        algorithm: The search.
        record: Gets the result.
        recalibrate_batches: See :class:`SearchHook`.
        last: The final round, if any.

    Raises:
        DegenerateArchitectureError: If the search found no complete architecture, which the record
            says.
    """
    epoch = runner.epoch or len(record.data['epochs'])
    if is_main_process():
        if epoch:
            draw_search(record.data, record.folder / 'search.svg')
        for name, draw in algorithm.pictures().items():
            draw(record.data, record.folder / name)
    genotype = _found(runner, algorithm, record, epoch)
    compared: list[dict[str, Any]] = []
    if last:
        best, compared = final_round(runner, algorithm, last)
        genotype = replace(best, provenance=genotype.provenance)
    net = algorithm.super_net
    remarks = [*algorithm.remarks(), *net.remarks(net.to_path(genotype))]
    for remark in remarks:
        runner.logger.warning(remark)
    model = derive_model(algorithm, genotype)
    trained = dict(bn_recalibrated_on_batches=recalibrate_batches)
    result: dict[str, Any] = dict(
        genotype=genotype.hash,
        **(trained if epoch else dict(weights='none: nothing was trained')),
        **(dict(remarks=remarks) if remarks else {}),
        **(dict(final_round=compared) if compared else {}),
        **_costs(runner, model),
        **(_scores(runner, algorithm, model, epoch, recalibrate_batches) if epoch else {}),
    )
    record.data['result'] = result
    if not is_main_process():
        return
    if epoch:
        weights = record.folder / 'derived.safetensors'
        save_derived(model, genotype, weights)
        text = network_config(runner.cfg, algorithm, genotype, weights.name).pretty_text
        write_atomic(record.folder / NETWORK, text.encode())
    title, notes = found_title(genotype, record.data), stage_notes(model.backbone)
    draw_genotype(genotype, record.folder / 'genotype.svg', title, notes)
    genotype.save(record.folder / 'genotype.json')
    record.write()
    record.report()


def _found(runner: Any, algorithm: SearchAlgorithm, record: SearchRecord, epoch: int) -> Genotype:
    """Return the genotype found; if it is not complete, write this into the record."""
    try:
        return genotype_now(algorithm, record, epoch, runner.max_epochs, strict=True)
    except DegenerateArchitectureError as error:
        text = f'{error}. What may help: {algorithm.advice}'
        if is_main_process():
            record.data['result'] = {'failed': text}
            record.write()
            mark_failed(algorithm, record, epoch, runner.max_epochs, str(error))
            record.report()
        raise DegenerateArchitectureError(text) from None


def _scores(
    runner: Any, algorithm: SearchAlgorithm, model: nn.Module, epoch: int, batches: int
) -> dict[str, Any]:
    """Recompute the batch-norm statistics; return the scores on the validation data, if any."""
    validated = runner.val_loop is not None
    inherited = _score(runner, model) if batches and validated else {}
    loader = runner.train_dataloader
    set_epoch(loader, runner.seed, epoch, runner.rank)
    set_random_seed(mix_seed(runner.seed, epoch, runner.rank))
    recalibrate(model, loader, batches)
    if algorithm.shared_statistics:
        recalibrate(algorithm, loader, batches)
    if not validated:
        return {}
    return dict(
        super_net=_score(runner, algorithm),
        **(dict(as_inherited=inherited) if inherited else {}),
        derived=_score(runner, model),
    )


def _costs(runner: Any, model: Any) -> dict[str, Any]:
    """Return the costs of a model's backbone, for an image of the validation data if any."""
    loop = runner.val_loop
    dataset = (runner.train_dataloader if loop is None else loop.dataloader).dataset
    image = dataset[0].get('inputs')
    if not isinstance(image, torch.Tensor) or image.dim() != 3:
        return {}  # several views, a video: no shape of one image
    return dict(costs=backbone_costs(model.backbone, tuple(image.shape)))


def _score(runner: Any, network: nn.Module) -> dict[str, Any]:
    """Return metrics on the validation data, and the number of parameters."""
    loop = runner.val_loop
    return dict(
        metrics=evaluate(network, loop.dataloader, loop.evaluator),
        parameters=sum(p.numel() for p in network.parameters()),
    )
