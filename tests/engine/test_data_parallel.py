"""A step of two processes is the step of one process on both batches: gradients of weights and of
the architecture are averaged, norms synchronised; what is sent is what the cost model says."""

from pathlib import Path

import pytest
from mmengine.config import Config
from parallel_checks import check_sent, check_step, folder, stepped  # noqa: F401
from parallel_steps import SEARCHES, TWO
from replicas import ALGORITHMS
from tool import ROOT

from ppnas_mm import algorithms
from ppnas_mm.algorithms import BilevelSearch, RandomSearch, SearchAlgorithm, UntrainedSearch


@pytest.mark.parametrize('name', ALGORITHMS)
def test_two_processes_stay_equal(name: str, stepped: tuple[Path, str]) -> None:
    assert stepped[1].count(f'EQUAL {name}') == 2


@pytest.mark.parametrize('name', TWO)
def test_two_processes_step_as_one_does_on_both_batches(name: str, folder: Path) -> None:
    check_step(name, folder)


@pytest.mark.parametrize('name', TWO)
def test_what_is_sent_is_what_the_cost_model_says(name: str, folder: Path) -> None:
    check_sent(name, folder)


def test_every_algorithm_has_its_step() -> None:
    known = {
        cls.__name__ for cls in vars(algorithms).values()
        if isinstance(cls, type) and issubclass(cls, SearchAlgorithm)
    }  # fmt: skip
    # the bases, and what learns no architecture
    bases = (SearchAlgorithm, BilevelSearch, UntrainedSearch)
    left = {cls.__name__ for cls in (*bases, RandomSearch)}
    assert known - left == {given['type'] for given in SEARCHES.values()}


def test_configs_ask_for_the_wrapper_of_their_algorithm_and_for_no_scan() -> None:
    for path in (ROOT / 'configs/search').glob('*.py'):
        config = Config.fromfile(path)
        bilevel = issubclass(getattr(algorithms, config.model.type.split('.')[-1]), BilevelSearch)
        wrapper = (config.get('model_wrapper_cfg') or {}).get('type')
        assert wrapper == ('ppnas_mm.Replicas' if bilevel else None), path.name
        assert not config.get('find_unused_parameters'), path.name
