"""One table of fees: for pricing, for simulated fills and for the bundled venue."""

from decimal import Decimal

import pytest

from services.screener.coin import Coin
from services.screener.config import ScreenerConfig
from shared.fees import builder_dex_factor, maker_rate, taker_rate, tier_of
from tests.fixtures.make import book


@pytest.mark.parametrize(
    ("tier", "coin", "bps", "taker_bps"),
    [(0, "BTC", "1.5", "4.5"), (2, "BTC", "0.8", "3.5"), (6, "BTC", "0", "2.4"), (0, "xyz:TSLA", "3", "9")],
)
def test_the_rates_of_a_coin(tier, coin, bps, taker_bps):
    assert maker_rate(tier, coin) * 10_000 == Decimal(bps)
    assert taker_rate(tier, coin) * 10_000 == Decimal(taker_bps)


@pytest.mark.parametrize(
    ("volume_usd", "tier"), [("0", 0), ("5000000", 0), ("5000000.01", 1), ("100000001", 3), ("8e9", 6)]
)
def test_a_tier_begins_above_its_threshold(volume_usd, tier):
    assert tier_of(Decimal(volume_usd)) == tier


@pytest.mark.parametrize(
    ("scale", "growth", "factor"), [("0", False, "1"), ("0.5", False, "1.5"), ("1", False, "2"), ("3", False, "6"),
                                    ("1", True, "0.2")]
)  # fmt: skip
def test_a_builder_dex_multiplies_the_rates(scale, growth, factor):
    assert builder_dex_factor(Decimal(scale), growth) == Decimal(factor)


@pytest.mark.parametrize(("tier", "coin", "bps"), [(0, "BTC", 1.5), (3, "BTC", 0.4), (0, "xyz:TSLA", 3.0)])
def test_the_screener_prices_with_the_fee_that_a_shadow_fill_pays(tier, coin, bps):
    measured = Coin(coin, 2, ScreenerConfig(fee_tier=tier), {})
    measured.on_book(1_000, book(coin, time_ms=1_000))
    measured.on_second(1_000)
    assert measured.verdict(1_000, version=1, others_as_bps=1.0).config.maker_fee_bps == bps
