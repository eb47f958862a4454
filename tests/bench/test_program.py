"""The limits that the benchmark of the program holds, and the catalogues it makes."""

from pathlib import Path

import pytest

from infra.service import catalogue
from tests.bench.program import SIZES, Measurement, broken_limits, generate


def took(services: int, seconds: float, peak_mb: float = 100) -> Measurement:
    return Measurement(services, 30 * services, seconds, 2 * seconds, peak_mb)


def test_a_generated_catalogue_is_a_valid_one_with_events_calls_and_both_kinds_of_database(tmp_path: Path) -> None:
    generate(tmp_path, 7)
    declared = catalogue.load(tmp_path)

    assert len(declared.services) == 7
    assert {spec.database.engine for spec in declared if spec.database} == {"postgres", "dynamodb"}
    assert sum(len(spec.calls) for spec in declared) == 6
    assert sum(len(spec.subscribes) for spec in declared) == 6


def test_what_keeps_the_limits_and_grows_in_proportion_passes() -> None:
    assert broken_limits([took(size, 1 + 0.1 * size) for size in SIZES]) == []


@pytest.mark.parametrize(
    ("measured", "problem"),
    [
        ([took(7, 5.1)], "7 services took 5.1 s; 5 are allowed"),
        ([took(7, 1, 251)], "7 services took 251 MB; 250 are allowed"),
        ([took(100, 61)], "100 services took 61.0 s; 60 are allowed"),
        ([took(7, 1), took(25, 4), took(50, 12.1)], "50 services took 12.1 s; linear would be below 12.0"),
    ],
)
def test_a_limit_that_is_not_kept_is_named(measured: list[Measurement], problem: str) -> None:
    assert broken_limits(measured) == [problem]
