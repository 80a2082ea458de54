"""The formulas of screener and funding against the reference's known answers."""

import pytest

from tests.unit.test_quoter_vectors import ROWS, check
from tests.vectors.vectors_screener import FUNCTIONS


@pytest.mark.skipif(not ROWS, reason="no ../shared/reference/model_vectors.json")
@pytest.mark.parametrize("fn", sorted(FUNCTIONS))
def test_known_answers(fn):
    rows = [row for row in ROWS if row["fn"] == fn]
    assert rows
    for row in rows:
        check(FUNCTIONS[fn](**row["inputs"]), row["expected"], row["rtol"], row["atol"])
