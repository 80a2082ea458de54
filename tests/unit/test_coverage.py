"""Stated intervals hold the truth as often as they say, over fifty modelled worlds; two hundred by hand:
`python -m tests.bench.coverage`."""

import pytest

from tests.bench.coverage import outcomes

TOLERANCE = 0.03
"""Of what is promised, beside the error of fifty seeds."""


@pytest.mark.parametrize("experiment", ["series", "levels", "hours"])
def test_promises_are_kept(experiment: str) -> None:
    assert [found.line() for found in outcomes(experiment, seeds=50) if not found.kept(TOLERANCE)] == []
