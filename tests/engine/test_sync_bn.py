"""Synchronised norms: they reach every space, stay where there is a GPU, and DDP makes no scan."""

from argparse import Namespace

import pytest
import torch
from mmengine.config import Config
from mmengine.model import convert_sync_batchnorm
from tool import ROOT
from torch import distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo import SPACES, build_super_net

from ppnas_mm.engine import run as engine_run
from ppnas_mm.registry import MODELS
from ppnas_mm.spaces.mixed_dag import MixedDAG, _is_fast


def test_a_super_net_builds_with_synchronised_norms(space: str) -> None:
    net = MODELS.build({**SPACES[space], 'norm_cfg': {'type': 'SyncBN', 'requires_grad': True}})
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm)]
    assert norms and all(isinstance(m, nn.SyncBatchNorm) for m in norms)


def test_the_fast_formulation_of_cells_leaves_synchronised_norms_alone() -> None:
    plain, synchronised = (build_super_net('darts') for _ in range(2))
    convert_sync_batchnorm(synchronised)
    for net, fast in ((plain, True), (synchronised, False)):
        dags = [m for m in net.modules() if isinstance(m, MixedDAG)]
        edges = [
            edge['sep_conv_3x3'] for dag in dags for node in dag.nodes for edge in node.values()
        ]
        assert edges and all(_is_fast(edge) == fast for edge in edges)


@pytest.mark.parametrize(('gpu', 'kind'), [(True, 'SyncBN'), (False, 'BN')])
def test_a_run_keeps_synchronised_norms_where_there_is_a_gpu(
    gpu: bool, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpu)
    monkeypatch.setenv('LOCAL_RANK', '0')
    options = {'model.model.backbone.norm_cfg': {'type': 'SyncBN'}}
    config = str(ROOT / 'configs/search/ppnas_imagenet.py')
    run = engine_run.load_run(
        Namespace(config=config, cfg_options=options, launcher='none', local_rank=0, work_dir=None)
    )
    assert run.model.model.backbone.norm_cfg.type == kind


@pytest.mark.parametrize('asked', [False, True])
def test_ddp_scans_for_unused_parameters_only_when_asked(
    asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, 'is_initialized', lambda: True)
    config = Config({'find_unused_parameters': True} if asked else {})
    engine_run._launch_on_cpu(config)
    assert config.model_wrapper_cfg.type == 'MMDistributedDataParallel'
    assert config.model_wrapper_cfg.find_unused_parameters is asked
