"""Sizes and stops that follow from the capital: the formula, its rounding, what is refused, and who wins."""

from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import load as load_service
from services.executor.config import ExecutorConfig
from services.guard.config import GuardConfig
from services.quoter.config import QuoterConfig
from services.quoter.core import Quoter
from shared import sizing
from shared.config import EngineConfig, load, load_assets
from shared.errors import ConfigError
from shared.messages import (
    AssetConfig,
    Book,
    CoinMeta,
    Level,
    Reason,
    RiskLease,
    SidePermit,
    TargetQuotes,
    Universe,
)
from shared.sizing import LIQUIDITY_FRAC, PROFILES, derive, derive_usd, ladder_usd, least_capital_usd, too_small

T0 = 1_700_000_000_000
profiles = st.sampled_from(PROFILES)
capitals = st.decimals("0.01", 10**7, places=2)
tiers = st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=1, max_size=4)


@pytest.mark.parametrize(("profile", "least"), [("default", D(50)), ("hip3", D(40)), ("aggressive", D(40))])
def test_the_smallest_capital_that_can_be_quoted_with(profile: Any, least: D) -> None:
    assert least_capital_usd(profile) == least
    for cents, viable in ((-1, False), (0, True), (1, True)):
        capital = 7 * (least + D(cents).scaleb(-2))
        assert derive_usd(capital / 7, 1.5, profile).viable is viable
        assert (too_small(capital, 7, profile) == "") is viable


def test_the_refusal_shows_the_arithmetic_and_what_helps() -> None:
    assert too_small(D(900), 20, "default") == (
        "Capital too small: $900 over 20 coins is $45.00 a coin; profile default makes orders of 20% of that,"
        " $9.00, and the venue refuses less than $10, so a coin needs $50. It takes at least MM_CAPITAL_USD=1000,"
        " or at most 18 coins (MM_COINS or MM_TOP_N=18), or MM_SPREAD_PROFILE=hip3 ($40 a coin), or"
        " MM_SPREAD_PROFILE=aggressive ($40 a coin)"
    )
    assert "at most" not in too_small(D(30), 1, "hip3"), "no number of coins helps"


@given(capital=st.decimals(1, 1999, places=2), coins=st.integers(1, 60), profile=profiles)
def test_every_remedy_of_a_refusal_helps(capital: D, coins: int, profile: Any) -> None:
    if not (text := too_small(capital, coins, profile)):
        return
    least = D(text.split("MM_CAPITAL_USD=")[1].split(",")[0])
    assert too_small(least, coins, profile) == ""
    assert too_small(least - D("0.01") * coins, coins, profile) != "", "and less does not"
    if "MM_TOP_N=" in text:
        fewer = int(text.split("MM_TOP_N=")[1].split(")")[0])
        assert too_small(capital, fewer, profile) == "" != too_small(capital, fewer + 1, profile)
    for other in PROFILES:
        if f"MM_SPREAD_PROFILE={other}" in text:
            assert too_small(capital, coins, other) == ""


@settings(max_examples=200)
@given(capital=capitals, profile=profiles, tier_sizes=tiers)
def test_a_derived_ladder_keeps_every_limit(capital: D, profile: Any, tier_sizes: list[float]) -> None:
    derived = derive_usd(capital, 1.5, profile)
    ladder = ladder_usd(derived, tier_sizes)
    orders = [ladder.order_usd * D(repr(size)) for size in ladder.tier_sizes]
    assert list(ladder.tier_sizes) == tier_sizes[: len(ladder.tier_sizes)]
    assert max(orders) <= derived.max_position_sz / 4 <= capital / 4
    assert sum(orders) <= derived.target_liquidity_sz
    if len(orders) > 1:
        assert min(orders) >= 12 - D("0.03"), "cut to cents"
    if derived.viable and tier_sizes[0] == 1:
        assert orders[0] >= 10


@given(
    capital=capitals, margin=capitals, px=st.decimals("0.001", 10**5, places=3), leverage=st.integers(1, 50),
    profile=profiles,
)  # fmt: skip
def test_the_price_cancels_in_dollars(capital: D, margin: D, px: D, leverage: int, profile: Any) -> None:
    """But for lots: in dollars these are cents."""
    in_coins = derive(capital, px, margin, leverage, 1.5, profile, 8)
    in_usd = derive(capital, D(1), margin, leverage, 1.5, profile, 2)
    assert in_coins.max_position_sz * px == pytest.approx(in_usd.max_position_sz)
    assert in_coins.target_liquidity_sz * px == pytest.approx(in_usd.target_liquidity_sz)
    assert in_coins.binding == in_usd.binding
    assert in_usd.max_position_sz * LIQUIDITY_FRAC[profile] == in_usd.target_liquidity_sz


@given(profile=profiles, capital=capitals)
def test_more_capital_never_makes_a_limit_smaller(profile: Any, capital: D) -> None:
    less, more = (derive_usd(usd, 1.5, profile) for usd in (capital, capital + D("0.01")))
    assert more.max_position_sz > less.max_position_sz and more.order_sz >= less.order_sz
    assert more.viable or not less.viable


# ---- settings ------------------------------------------------------------------------------------------------


def engine(**given: Any) -> EngineConfig:
    return EngineConfig(**given)


def test_without_a_capital_everything_stays_as_configured() -> None:
    coin = AssetConfig(coin="BTC")
    assert engine().sized(coin) is coin and engine().sizes_that_follow == ()
    guard = GuardConfig()
    assert (guard.max_daily_loss_usd, guard.max_position_value_usd) == (500, 10_000)


def test_sizes_and_stops_follow_from_the_capital() -> None:
    given: dict[str, Any] = {"capital_usd": D(2000), "top_n": 10}
    guard, executor = GuardConfig(**given), ExecutorConfig(**given)
    assert (guard.starting_balance_usd, guard.max_daily_loss_usd, guard.max_position_value_usd) == (
        2000,
        100,
        2000,
    )
    assert isinstance(guard.max_daily_loss_usd, D), "money stays exact"
    assert executor.max_bps_diff == 3.0
    coin = engine(**given).sized(AssetConfig(coin="BTC"))
    assert (coin.max_inv_usd, coin.min_order_usd, coin.tier_sizes) == (200.0, 13.33, (1.0, 2.0))
    assert engine(**given, spread_profile="hip3").sized(coin).min_order_usd == 20.0


def test_a_third_of_a_dollar_is_cut_to_cents() -> None:
    coin = engine(capital_usd=D(1000), top_n=3).sized(AssetConfig(coin="BTC"))
    assert (coin.max_inv_usd, coin.min_order_usd, coin.tier_sizes) == (333.33, 22.22, (1.0, 2.0))
    coin = engine(capital_usd=D(1080), top_n=3).sized(AssetConfig(coin="BTC"))
    assert (coin.max_inv_usd, coin.min_order_usd, coin.tier_sizes) == (360.0, 12.0, (1.0, 2.0, 3.0))


@pytest.mark.parametrize("where", [{"dex": "xyz"}, {"coins": ("BTC", "xyz:TSLA")}])
def test_the_requote_threshold_covers_the_fees_of_a_builder_dex(where: dict[str, Any]) -> None:
    assert ExecutorConfig(capital_usd=D(5000), **where).max_bps_diff == 6.0


def test_what_somebody_set_wins_in_every_way_of_setting(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mm.toml"
    file.write_text(
        "[engine]\ncapital_usd = 900\ntop_n = 3\nstarting_balance_usd = 1000\n"
        "[guard]\nmax_position_value_usd = 700\n[executor]\nmax_bps_diff = 5\n"
        "[assets.BTC]\nmax_inv_usd = 99\n[assets.ETH]\nmin_order_usd = 15\n"
    )
    monkeypatch.setenv("MM_CONFIG", str(file))
    monkeypatch.setenv("MM_MAX_DAILY_LOSS_USD", "77")
    guard = load(GuardConfig)
    assert (guard.starting_balance_usd, guard.max_daily_loss_usd, guard.max_position_value_usd) == (1000, 77, 700)
    assert load(ExecutorConfig).max_bps_diff == 5
    assets = load_assets()
    assert (assets["BTC"].max_inv_usd, assets["BTC"].min_order_usd, assets["BTC"].tier_sizes) == (99, 19.8, (1.0,))
    assert (assets["ETH"].max_inv_usd, assets["ETH"].min_order_usd) == (300, 15)


def test_too_small_is_refused_by_every_service_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_CAPITAL_USD", "1000")
    for name in ("quoter", "guard", "executor", "screener"):
        with pytest.raises(ConfigError, match=r"^Capital too small: \$1,000 over 30 coins is \$33.33 a coin"):
            load(load_service(name).config)


def test_a_limit_too_small_for_an_order_is_refused_by_its_coin(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mm.toml"
    file.write_text("[engine]\ncapital_usd = 900\ntop_n = 3\n[assets.BTC]\nmax_inv_usd = 49.99\n")
    monkeypatch.setenv("MM_CONFIG", str(file))
    with pytest.raises(
        ConfigError, match="assets.BTC.max_inv_usd: Capital too small.*write min_order_usd as well"
    ):
        load_assets()


# ---- through the quoter --------------------------------------------------------------------------------------


def _target(config: QuoterConfig, *before: AssetConfig) -> TargetQuotes:
    core = Quoter(config, {})
    free = SidePermit()
    book = Book(coin="HYPE", time_ms=T0, received_ms=float(T0), epoch=1,
                bids=(Level(D("32.946"), D(9)),), asks=(Level(D("32.948"), D(9)),))  # fmt: skip
    list(core.step(T0, Universe(coins=(CoinMeta("HYPE", 2, 10),), time_ms=T0)))
    list(core.step(T0, RiskLease(coin="HYPE", issued_ms=T0, valid_until_ms=T0 + 3000, bid=free, ask=free)))
    for asset in before:
        list(core.step(T0, asset))
    target = list(core.step(T0, book))[0]
    assert isinstance(target, TargetQuotes)
    return target


def test_fifty_dollars_on_hype_quote_one_order_a_side_of_the_reference_s_size() -> None:
    target = _target(QuoterConfig(capital_usd=D(50), coins=("HYPE",), spread_profile="hip3"))
    assert [level.sz for level in target.bids] == [D("0.37")]
    assert [level.sz for level in target.asks] == [D("0.37")]
    assert target.max_inv_usd == 50


def test_an_old_config_on_the_bus_does_not_bring_another_capital_s_sizes_back() -> None:
    config = QuoterConfig(capital_usd=D(50), coins=("HYPE",), spread_profile="hip3")
    old = AssetConfig(coin="HYPE", max_inv_usd=5000.0, min_order_usd=500.0, base_spread_bps=4.0)
    target = _target(config, old)
    assert [level.sz for level in target.bids] == [D("0.37")] and target.max_inv_usd == 50
    assert target.half_spread_bps == 4.0, "what is measured still counts"


def test_an_order_that_lots_cut_below_the_minimum_is_left_out_with_its_reason() -> None:
    target = _target(QuoterConfig(capital_usd=D(50), coins=("HYPE",)))
    assert (target.bids, target.bid_reason) == ((), Reason.BELOW_MIN_NOTIONAL)
    assert derive_usd(D(50), 1.5, "default").viable and sizing.COMFORTABLE_ORDER_USD > 10, "the start warns of it"
