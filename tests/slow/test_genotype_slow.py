"""The properties of ``test_genotype.py`` with 10,000 and 100,000 cases."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import (
    changed,
    check_damaged,
    check_hash,
    check_round_trip,
    damaged_files,
    genotypes,
)

from ppnas_mm.genotype import SPACE_RULES

MANY = settings(
    max_examples=10_000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize('space', sorted(SPACE_RULES))
@MANY
@given(data=st.data())
def test_ten_thousand_genotypes_round_trip(space: str, data: st.DataObject) -> None:
    genotype = data.draw(genotypes(space))
    check_round_trip(genotype)
    check_hash(genotype, data.draw(changed(genotype)))


@settings(MANY, max_examples=100_000)
@given(damaged_files())
def test_a_hundred_thousand_damaged_files(data: bytes) -> None:
    check_damaged(data)
