"""Shared by the tests of spaces and others."""

import json
from typing import Any

import numpy as np
from mmengine.config import ConfigDict
from torch import nn

from ppnas_mm.genotype import SPACE_RULES, Genotype
from ppnas_mm.registry import MODELS


def random_paths(net: Any, number: int) -> list[dict[str, tuple[int, ...]]]:
    """Random paths, drawn without the package: connections, then an operation where one is left."""
    rng = np.random.default_rng(5)
    paths = []
    for _ in range(number):
        path: dict[str, tuple[int, ...]] = {}
        read: dict[tuple[str, int], set[int]] = {}
        for choice in sorted(net.choices.values(), key=lambda choice: not choice.gates):
            spot, indices = (choice.cell, choice.node), range(len(choice.candidates))
            if choice.gates:
                size = choice.keep or int(rng.integers(1, len(indices) + 1))
                kept = sorted(map(int, rng.permutation(indices)[:size]))
                read[spot] = {int(choice.candidates[i]) for i in kept}
                path[choice.name] = tuple(kept)
            elif choice.source in read.get(spot, {choice.source}) | {None}:
                path[choice.name] = (int(rng.choice(allowed(net, choice))),)
        paths.append({name: path[name] for name in net.choices if name in path})
    return paths


def allowed(net: Any, choice: Any) -> list[int]:
    """Candidates that a genotype may hold."""
    ops = SPACE_RULES[net.space].ops
    return [i for i, name in enumerate(choice.candidates) if choice.gates or name in ops]


def prune_some(net: Any, rng: np.random.Generator, chance: float) -> None:
    """Prune each candidate with this chance, as far as that is possible."""
    for name, choice in net.choices.items():
        for candidate in map(int, rng.permutation(len(choice.candidates))):
            alive = set(net.alive_candidates(name))
            left = (alive - {candidate}) & set(allowed(net, choice))
            if candidate in alive and len(left) >= (choice.keep or 1) and rng.random() < chance:
                net.prune(name, candidate)


def derive(net: Any, genotype: Genotype) -> nn.Module:
    """Build the exported network and load the exported weights, all of them."""
    config, weights = net.export(genotype)
    config = json.loads(json.dumps(config))  # a config is plain data
    derived = MODELS.build(ConfigDict(config))
    derived.load_state_dict(weights)
    return derived.eval()


def operations(net: Any) -> list[Any]:
    return [choice for choice in net.choices.values() if not choice.gates]
