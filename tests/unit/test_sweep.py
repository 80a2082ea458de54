"""Grids are checked before anything runs, and a best is named only where days can show it."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from market_maker.sweep import compare, grid
from market_maker.sweep.job import Outcome
from services.screener.service import overrides
from shared.config import tables_instead
from shared.errors import ConfigError

DAYS = [date(2026, 2, 1) + timedelta(days=i) for i in range(40)]


def outcomes(pnl: list[list[float]]) -> dict[tuple[int, date], Outcome]:
    return {
        (i, DAYS[d]): Outcome(pnl_usd=Decimal(str(usd)), volume_usd=Decimal(1000), fills=10)
        for i, values in enumerate(pnl)
        for d, usd in enumerate(values)
    }


def combos(count: int) -> list[dict[str, str]]:
    return [{"base_spread_bps": str(i + 1)} for i in range(count)]


# ---- the grid ------------------------------------------------------------------------------------------------


def test_the_full_grid_the_last_setting_changing_fastest() -> None:
    swept = grid.parse(["base_spread_bps=1.5, 3,1.5", "queue_model=queue,v6"])
    assert [tuple(combination.values()) for combination in grid.combinations(swept)] == [
        ("1.5", "queue"), ("1.5", "v6"), ("3", "queue"), ("3", "v6"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["base_spred_bps=1"], "base_spred_bps: no setting.*did you mean base_spread_bps"),
        (["base_spread_bps"], "write NAME=VALUE"),
        (["base_spread_bps="], "write NAME=VALUE"),
        (["redis_url=redis://x"], "redis_url: no setting that a replay could vary"),
        (["skew_gain=1", "skew_gain=2"], "skew_gain is given twice"),
    ],
)
def test_what_cannot_be_swept_is_refused_with_the_remedy(given: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        grid.parse(given)


@pytest.mark.parametrize(
    ("combination", "says"),
    [
        ({"base_spread_bps": "0"}, "base_spread_bps=0.*greater than 0"),
        ({"skew_gain": "much"}, "skew_gain=much.*skew_gain"),
        ({"queue_model": "hope"}, "queue_model"),
        ({"tier_multipliers": "1:x"}, "tier_multipliers"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_runs(combination: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        grid.setup(combination, ["BTC"])


def test_a_coin_field_holds_for_all_coins_and_wins_as_a_persons_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mm.toml").write_text("[assets.BTC]\nbase_spread_bps = 9\nmax_inv_usd = 50\n")
    monkeypatch.setenv("MM_CONFIG", str(tmp_path / "mm.toml"))
    made = grid.setup({"base_spread_bps": "3", "tier_multipliers": "1:2:4", "skew_gain": "0.25"}, ["BTC", "ETH"])
    assert made.configs["quoter"].skew_gain == 0.25  # type: ignore[attr-defined]
    with tables_instead({"assets": made.assets}):
        fixed = overrides(made.configs["screener"])  # type: ignore[arg-type]
    assert fixed["BTC"] == {"base_spread_bps": 3.0, "max_inv_usd": 50.0, "tier_multipliers": (1.0, 2.0, 4.0)}
    assert fixed["ETH"] == {"base_spread_bps": 3.0, "tier_multipliers": (1.0, 2.0, 4.0)}


# ---- the answer ----------------------------------------------------------------------------------------------


def test_edges_are_pooled_with_the_error_of_a_ratio() -> None:
    first = Outcome(pnl_usd=Decimal(1), fees_usd=Decimal(1), volume_usd=Decimal(1000), fills=4, cancels=8)
    row = compare.row({}, [first, Outcome(pnl_usd=Decimal(5), volume_usd=Decimal(3000), fills=4)])
    assert row.net_bps.mean == pytest.approx(15) and row.gross_bps.mean == pytest.approx(17.5)
    # residuals 1 − 1.5 and 5 − 4.5, so √(0.5/2)/2000
    assert row.net_bps.se == pytest.approx(0.5 / 2000 * 10_000)
    assert row.pnl_per_day_usd == compare.Spread(3.0, pytest.approx(2.0))
    assert row.cancels_per_fill == 1.0
    assert compare.row({}, [Outcome()]).net_bps.mean is None


def test_a_clear_best_is_named_because_days_are_paired() -> None:
    """Days differ by tens of dollars, combinations by two: only the pairing shows it."""
    random = Random(1)
    market = [random.gauss(0, 30) for _ in range(10)]
    pnl = [[usd + 2 * i + random.gauss(0, 0.2) for usd in market] for i in range(3)]
    answer = compare.judge(combos(3), outcomes(pnl), DAYS[:10])
    assert answer.best == 2 and "base_spread_bps=3" in answer.text and "expect less" in answer.text


def test_few_days_equal_combinations_and_missing_days_name_none() -> None:
    assert "NOT ENOUGH DATA" in compare.judge(combos(2), outcomes([[1.0] * 4, [9.0] * 4]), DAYS[:4]).text
    same = compare.judge(combos(2), outcomes([[1.0, 2.0, 3.0, 4.0, 5.0]] * 2), DAYS[:5])
    assert same.best is None and "no difference" in same.text
    found = outcomes([[1.0] * 6, [9.0] * 6])
    for day in DAYS[:3]:
        del found[0, day]
    assert "3 of at least 5 days" in compare.judge(combos(2), found, DAYS[:6]).text


def test_a_best_is_rarely_named_among_equals() -> None:
    """Stated: at most 5 % of sweeps over combinations that do not differ, however many there are."""
    named = 0
    for seed in range(200):
        random = Random(seed)
        market = [random.gauss(0, 5) for _ in range(12)]
        pnl = [[usd + random.gauss(0, 1) for usd in market] for _ in range(6)]
        named += compare.judge(combos(6), outcomes(pnl), DAYS[:12]).best is not None
    assert named <= 18, "5 % of 200 and what chance adds to it once in 100"
