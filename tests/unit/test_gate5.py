"""Go or no-go: never GO while anything else is not, and shadow results with what they rest on."""

from pathlib import Path

import numpy as np
import pytest

from analysis.estimates import Estimate, Judgement, Verdict
from analysis.gate5 import OTHERS, SHADOW_H, Shadow, gate5, read_shadow
from analysis.store import open_store
from analysis.tables import Section
from tests.fixtures.answers import GO, NO_GO, NOT_ENOUGH, section
from tests.fixtures.shadow_account import MINUTE_MS, START_MS, write_minutes, write_ticks

WHOLE = Judgement("GO", "0 critical gaps.")
BALANCE_USD = 1000.0


def _shadow(hours: float = SHADOW_H, mean_usd: float = 0.02, canceled: float = 5.0, fills: float = 1.0) -> Shadow:
    n = int(hours * 60)
    noise = np.random.default_rng(5).normal(0.0, 0.2, n)
    pnl = noise - noise.mean() + mean_usd if n else noise
    return Shadow(START_MS + np.arange(n) * 6e4, pnl, np.full(n, canceled), np.full(n, fills))


def _gates(**judged: Judgement) -> list[Section]:
    return [section(name, judged.get(name, GO)) for name in OTHERS]


def _items(found: Section) -> dict[str, tuple[object, ...]]:
    return {str(row[0]): row for row in found.tables[0].rows}


def _verdict(found: Section) -> Verdict:
    assert found.judgement is not None
    return found.judgement.verdict


def test_all_green_is_go() -> None:
    found = gate5(_gates(), WHOLE, 0, _shadow(), BALANCE_USD)
    assert _verdict(found) == "GO", found.judgement
    pnl, sharpe = (_items(found)[name][2] for name in ("shadow PnL", "shadow Sharpe"))
    assert isinstance(pnl, Estimate) and isinstance(sharpe, Estimate)
    assert pnl.low is not None and pnl.low < pnl.value < pnl.high and pnl.n == SHADOW_H * 60  # type: ignore[operator]
    assert sharpe.low is not None and sharpe.value is not None and sharpe.low < sharpe.value


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("judgement", [NO_GO, NOT_ENOUGH])
def test_never_go_while_another_gate_is_not(name: str, judgement: Judgement) -> None:
    found = gate5(_gates(**{name: judgement}), WHOLE, 0, _shadow(), BALANCE_USD)
    assert _verdict(found) == judgement.verdict
    assert name in found.judgement.reason  # type: ignore[union-attr]


def test_a_gate_that_was_not_run_is_not_go() -> None:
    assert _verdict(gate5(_gates()[1:], WHOLE, 0, _shadow(), BALANCE_USD)) == "NOT ENOUGH DATA"
    assert _verdict(gate5(_gates(), None, 0, _shadow(), BALANCE_USD)) == "NOT ENOUGH DATA"


def test_damaged_data_is_no_go() -> None:
    assert _verdict(gate5(_gates(), Judgement("NO-GO", "7 critical gaps"), 7, _shadow(), BALANCE_USD)) == "NO-GO"


@pytest.mark.parametrize(
    ("shadow", "item", "verdict"),
    [
        (_shadow(hours=SHADOW_H - 0.1), "shadow PnL", "NOT ENOUGH DATA"),
        (_shadow(mean_usd=-0.02), "shadow PnL", "NO-GO"),
        (_shadow(mean_usd=-0.02), "shadow Sharpe", "NO-GO"),
        (_shadow(mean_usd=0.001), "shadow Sharpe", "NOT ENOUGH DATA"),
        (_shadow(hours=0.4), "shadow Sharpe", "NOT ENOUGH DATA"),
        (_shadow(canceled=49.99), "cancels per fill", "GO"),
        (_shadow(canceled=50.0), "cancels per fill", "NO-GO"),
        (_shadow(hours=0.48), "cancels per fill", "NOT ENOUGH DATA"),
        (_shadow(hours=0), "shadow PnL", "NOT ENOUGH DATA"),
    ],
)
def test_each_result_has_its_threshold(shadow: Shadow, item: str, verdict: Verdict) -> None:
    found = gate5(_gates(), WHOLE, 0, shadow, BALANCE_USD)
    judgement = _items(found)[item][4]
    assert isinstance(judgement, Judgement) and judgement.verdict == verdict
    assert bool(judgement.needs) is (verdict == "NOT ENOUGH DATA")
    assert _verdict(found) != "GO" or verdict == "GO"


def test_a_lucky_day_is_not_enough() -> None:
    """The seeds' rule, a Sharpe ratio above 1.5, is met by every second bot that earns nothing."""
    lucky = sum(_verdict(gate5(_gates(), WHOLE, 0, _noise(seed), BALANCE_USD)) == "GO" for seed in range(60))
    assert lucky <= 7  # 5 % of 60, and two standard errors more


def _noise(seed: int) -> Shadow:
    n = int(SHADOW_H * 60)
    pnl = np.random.default_rng(seed).normal(0.0, 0.2, n)
    return Shadow(START_MS + np.arange(n) * 6e4, pnl, np.ones(n), np.ones(n))


def test_minutes_come_from_the_account_files_run_by_run(tmp_path: Path) -> None:
    write_ticks(tmp_path)
    write_minutes(tmp_path, [1.0, 1.5, None, 1.25])
    write_minutes(tmp_path, [0.0, 0.5, 0.75, 1.0], coin="ETH")
    write_minutes(tmp_path, [10.0, 9.0], run_id="run2", start_ms=START_MS + 60 * MINUTE_MS)
    write_minutes(tmp_path, [0.0, 99.0], mode="live", run_id="run3", start_ms=START_MS + 90 * MINUTE_MS)
    with open_store(tmp_path) as store:
        found = read_shadow(store)
    # totals of a run's first row are not of one minute; ETH goes on where BTC has no row
    assert found.pnl_usd.tolist() == pytest.approx([0.5 + 0.5, 0.25, -0.25 + 0.25, -1.0])
    assert found.canceled.tolist() == [10, 5, 15, 5] and found.fills.tolist() == [2, 1, 3, 1]
    assert found.hours == 4 / 60
    assert found.returns(100.0).tolist() == pytest.approx([1 / 100, 0.25 / 101, 0.0, -1 / 101.25])


def test_a_silent_minute_carries_the_last_value_and_a_restart_begins_anew(tmp_path: Path) -> None:
    write_ticks(tmp_path)
    write_minutes(tmp_path, [0.0, 1.0, None, None, 2.0])
    with open_store(tmp_path) as store:
        assert read_shadow(store).pnl_usd.tolist() == pytest.approx([1.0, 0.0, 0.0, 1.0])


def test_a_folder_without_an_account_has_no_results(tmp_path: Path) -> None:
    write_ticks(tmp_path)
    with open_store(tmp_path) as store:
        found = read_shadow(store)
    assert found.hours == 0 and found.returns(100.0).size == 0
