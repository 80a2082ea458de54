"""Gate 3: the recommended half spread where the best one is known, and the least data for it."""

from dataclasses import replace

import pytest

from analysis.edges import CoinEdges
from analysis.estimates import Estimate
from analysis.gate3 import MIN_HOURS, gate3
from analysis.gate3_tables import in_usd
from tests.bench.coverage import FEE_BPS, _measured, _with_edge
from tests.fixtures.planted import PlantedCoin

EARN = PlantedCoin("EARN", clustering=0.4, orders_per_s=0.1, tick_px=0.0011)


@pytest.fixture(scope="module")
def two_days() -> dict[str, CoinEdges]:
    return _measured([EARN, _with_edge("NONE", 0.0)], 2, seed=1)


def test_the_recommended_half_spread_is_the_one_that_earns_most(two_days: dict[str, CoinEdges]) -> None:
    found = gate3(two_days, min_order_usd=12.0)
    coin, best = found.coins["EARN"], 1 / EARN.kappa_per_bps + EARN.impact_bps + FEE_BPS
    assert coin.judgement.verdict == "GO"
    assert coin.half_spread_bps.value in (4.0, 5.0)
    assert coin.half_spread_bps.low <= best <= coin.half_spread_bps.high  # type: ignore[operator]
    assert coin.formula_bps.value == pytest.approx(best, rel=0.05)
    assert coin.income_bps.value == max(rate.income_bps.value or 0.0 for rate in coin.curve)
    assert found.coins["NONE"].judgement.verdict != "GO"
    assert f"base_spread_bps = {coin.half_spread_bps.value:g}" in coin.judgement.reason
    assert found.section.judgement is not None and found.section.judgement.verdict == "GO"


def test_less_than_a_day_and_a_half_is_shown_but_not_judged() -> None:
    measured = _measured([replace(EARN, holes=((12, 24),))], 1, seed=2)
    coin = gate3(measured).coins["EARN"]
    assert coin.judgement.verdict == "NOT ENOUGH DATA" and f"12.0 of {MIN_HOURS:.0f} h" in coin.judgement.reason
    assert coin.judgement.needs == "about 24 h more data"
    assert coin.half_spread_bps.value is not None and coin.income_bps.low is not None


def test_income_in_money_is_that_of_one_order_value() -> None:
    assert in_usd(Estimate(100.0, 50.0, None, 7, 3.0), 12.0) == Estimate(0.12, 0.06, None, 7, 3.0)
