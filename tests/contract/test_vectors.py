"""The project's formulas against the reference's known answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.adapter import FUNCTIONS

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "model_vectors.json"
ROWS = json.loads(VECTORS.read_text())["vectors"] if VECTORS.is_file() else []
MAPPED = [pytest.param(row, id=row["id"]) for row in ROWS if row["fn"] in FUNCTIONS]


def compare(got: Any, want: Any, rtol: float, atol: float) -> None:
    """Numbers within tolerance; booleans, strings, nulls and list lengths exactly; extra keys are fine."""
    if isinstance(want, dict):
        for name, value in want.items():
            compare(got[name], value, rtol, atol)
    elif isinstance(want, list):
        assert len(got) == len(want)
        for left, right in zip(got, want, strict=True):
            compare(left, right, rtol, atol)
    elif isinstance(want, (int, float)) and not isinstance(want, bool):
        assert abs(got - want) <= atol + rtol * abs(want)
    else:
        assert got == want and type(got) is type(want)


@pytest.mark.skipif(not ROWS, reason="no known answers at ../shared/reference/model_vectors.json")
@pytest.mark.parametrize("row", MAPPED)
def test_known_answer(row: dict[str, Any]) -> None:
    compare(FUNCTIONS[row["fn"]](**row["inputs"]), row["expected"], row["rtol"], row["atol"])


@pytest.mark.skipif(not ROWS, reason="no known answers at ../shared/reference/model_vectors.json")
def test_every_mapped_name_exists_in_the_reference() -> None:
    assert set(FUNCTIONS) <= {row["fn"] for row in ROWS}
