"""The executor's formulas against the reference's known answers."""

import json
from pathlib import Path

import pytest

from tests.vectors.vectors_executor import FUNCTIONS

VECTORS = Path(__file__).parents[2] / ".." / "shared" / "reference" / "model_vectors.json"
ROWS = json.loads(VECTORS.read_text())["vectors"] if VECTORS.exists() else []


def check(got, want, rtol, atol):
    if want is None:
        assert got is None
    elif isinstance(want, (int, float)):
        assert abs(got - want) <= atol + rtol * abs(want)
    elif isinstance(want, list):
        assert len(got) == len(want)
        for left, right in zip(got, want, strict=True):
            check(left, right, rtol, atol)
    else:
        for name, value in want.items():
            check(got[name], value, rtol, atol)


@pytest.mark.skipif(not ROWS, reason="no ../shared/reference/model_vectors.json")
@pytest.mark.parametrize("fn", sorted(FUNCTIONS))
def test_known_answers(fn):
    rows = [row for row in ROWS if row["fn"] == fn]
    assert rows
    for row in rows:
        check(FUNCTIONS[fn](**row["inputs"]), row["expected"], row["rtol"], row["atol"])
