"""mmpretrain's own functions with the models and weights of this project.

``ppnas_mm/registry.py`` calls :func:`join` after the import of ``mmpretrain.apis``. The metafiles
are read when a model is first listed or named. If weights store their architecture, ``get_model``
builds it. It loads all tensors of a file or none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

from mmengine.logging import print_log

TASK = 'Image Classification'
TASKLESS = SimpleNamespace(results=[SimpleNamespace(task=TASK)])
"""Says which inferencer ``mmpretrain.inference_model`` takes for a model without a metafile."""
LOADER = 'LoadImageFromFile'
"""Name of the step that inferencers remove; they load images themselves."""
ORIGINAL: list[Callable[..., Any]] = []
"""mmpretrain's own ``get_model``."""


def add_models(known: dict[str, Any]) -> None:
    """Add the classifiers of this project to mmpretrain's table; existing names stay."""
    from modelindex.load_model_index import load

    from ..weights.fetch import SCHEME
    from ..weights.index import index_path, load_made
    from .pages import web_address

    root = index_path().parent.parent
    names = {web_address(entry): name for name, entry in load_made().items()}
    for folder in ('configs/classification', 'model_zoo'):
        if not (root / folder / 'metafile.yml').is_file():
            continue
        index = load(str(root / folder / 'metafile.yml'))
        index.build_models_with_collections()
        for model in index.models:
            if Path(model.config).parent.name != 'classification':
                continue
            if model.weights in names:
                model.weights = SCHEME + names[model.weights]
            model.config = str(root / model.config)
            known.setdefault(model.name.lower(), model)


def set_architecture(config: Any, genotype: Any) -> None:
    """Let a config build another architecture."""
    config.model.backbone.arch = genotype.to_dict()


def zoo_entry(weights: Any) -> Any:
    """Return the zoo entry of ``ppnas://NAME``; ``None`` for other weights."""
    from ..weights import fetch as zoo

    return zoo.entry(weights) if str(weights).startswith(zoo.SCHEME) else None


def describe(model: Any, config: Any, classes: Any, metainfo: Any = None) -> Any:
    """Set what mmpretrain's inferencers read from a model, and return the model.

    Args:
        model: A classifier.
        config: Its config, whose test pipeline images go through.
        classes: Names of the classes, or ``None``.
        metainfo: Its entry in mmpretrain's table.
    """
    config = deepcopy(config)
    dataset = (config.get('test_dataloader') or {}).get('dataset', {})
    for step in dataset.get('pipeline', ()):
        # inferencers keep the scope of whatever ran before them in the process
        if isinstance(step.type, str) and '.' not in step.type and step.type != LOADER:
            step.type = f'mmpretrain.{step.type}'
    model._config = config
    model._dataset_meta = {'classes': tuple(classes)} if classes else {}
    model._metainfo = metainfo or TASKLESS
    return model


def _is_ours(config: Any) -> bool:
    from ..backbones import __all__ as own

    backbone = config.get('model', {}).get('backbone') or {}
    kind = backbone.get('type')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
    return name.split('.')[-1] in own


def _classes(meta: Mapping[str, Any], weights: Any, model: Any) -> Any:
    found = (meta.get('dataset_meta') or {}).get('classes')
    entry = zoo_entry(weights)
    return found or (entry.classes if entry else model._dataset_meta.get('classes'))


def _source(pretrained: Any, config: Any, metainfo: Any) -> Any:
    if pretrained is not True:
        return pretrained
    return metainfo.weights if metainfo else config.get('load_from')


def _wanted(state: Mapping[str, Any], net: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the tensors of parts that the caller removes or builds differently.

    Parts that are built differently keep their initial values.
    """
    own, given = net.state_dict(), dict(state)
    for part in ('neck', 'head'):
        if part not in options:
            continue
        keys = {key for key in {*own, *given} if key.startswith(f'{part}.')}
        fits = all(k in own and k in given and own[k].shape == given[k].shape for k in keys)
        if not fits:
            given = {k: v for k, v in given.items() if k not in keys}
            given.update({k: own[k] for k in keys & own.keys()})
            print_log(f'{part}: not of the weights, as the caller builds another one', 'current')
    return given


def get_model(original: Callable[..., Any], model: Any, pretrained: Any, options: dict) -> Any:
    """Return a model as mmpretrain does, but with all of its weights.

    Args:
        original: mmpretrain's function, which builds the model. It also loads weights for models
            without a backbone of this package, and weights from the internet.
        model: Name, config file or config.
        pretrained: File, ``ppnas://NAME``, or ``True`` for the weights that belong to the model.
        options: The other arguments of the original.

    Raises:
        CheckpointError: If a file cannot be read, or does not fit the model tensor by tensor.
        GenotypeError: If the backbone of the config has another space than the weights.
    """
    from mmengine.config import Config
    from mmpretrain.apis.model import ModelHub

    from ..genotype import Genotype
    from ..weights.checkpoint import load_checkpoint, load_state

    metainfo, config = None, model
    if isinstance(model, (str, os.PathLike)) and Path(model).suffix == '.py':
        config = Config.fromfile(str(model))
    elif isinstance(model, str):
        metainfo = ModelHub.get(model)
        config = metainfo.config
    if not (isinstance(config, Config) and _is_ours(config)):
        return original(model, pretrained, **options)
    config = deepcopy(config)
    weights = _source(pretrained, config, metainfo)
    if not weights or str(weights).startswith(('http://', 'https://')) or options['url_mapping']:
        net = original(config, pretrained, **options)
        return describe(net, net._config, net._dataset_meta.get('classes'), metainfo)
    data = load_checkpoint(weights)
    meta = data.get('meta', {})
    if isinstance(meta.get('genotype'), str):
        set_architecture(config, Genotype.from_json(meta['genotype']))
    net = original(config, False, **options)
    data['state_dict'] = _wanted(data['state_dict'], net, options)
    load_state(net, data, f'checkpoint {weights}')
    return describe(net, net._config, _classes(meta, weights, net), metainfo)


def _take_over(original: Callable[..., Any]) -> None:
    """Let a function of mmpretrain call :func:`get_model`, even where it is imported already.

    The function object stays the same and gets another body, because ``from mmpretrain import
    get_model`` may come before ``import ppnas_mm``.
    """
    function: Any = original
    copy = FunctionType(function.__code__, function.__globals__, argdefs=function.__defaults__)

    def body(  # type: ignore[no-untyped-def]
        model,
        pretrained=False,
        device=None,
        device_map=None,
        offload_folder=None,
        url_mapping=None,
        **options,
    ):
        from ppnas_mm.zoo import model_hub  # runs with the globals of mmpretrain

        places = dict(device=device, device_map=device_map, offload_folder=offload_folder)
        options.update(places, url_mapping=url_mapping)
        return model_hub.get_model(model_hub.ORIGINAL[0], model, pretrained, options)

    ORIGINAL[:] = [copy]
    function.__code__, function.__defaults__ = body.__code__, body.__defaults__


def join(apis: Any) -> None:
    """Register the models of this project with mmpretrain.

    Args:
        apis: The module ``mmpretrain.apis.model``.
    """
    hub = apis.ModelHub
    register, get = hub._register_mmpretrain_models, hub.get

    def register_all(cls: Any) -> None:
        register()
        if not getattr(cls, '_has_ppnas_mm', False):
            cls._has_ppnas_mm = True
            add_models(cls._models_dict)

    def get_whole(cls: Any, model_name: str) -> Any:
        from ..weights.index import load_genotype

        metainfo = get(model_name)
        entry = zoo_entry(metainfo.weights)
        if entry is not None:
            set_architecture(metainfo.config, load_genotype(entry))
        return metainfo

    hub._register_mmpretrain_models = classmethod(register_all)
    hub.get = classmethod(get_whole)
    _take_over(apis.get_model)
