"""One table of maker fees for pricing and simulation, and the bundled venue shows the same one."""

from decimal import Decimal

import pytest

from services.screener.coin import Coin
from services.screener.config import ScreenerConfig
from services.venue.api.info import FEE_TIERS
from shared.fees import MAKER_RATE_FRAC, maker_rate
from tests.fixtures.make import book


@pytest.mark.parametrize(
    ("tier", "coin", "bps"), [(0, "BTC", "1.5"), (2, "BTC", "0.8"), (6, "BTC", "0"), (0, "xyz:TSLA", "3")]
)
def test_the_rate_of_a_coin(tier, coin, bps):
    assert maker_rate(tier, coin) * 10_000 == Decimal(bps)


def test_the_bundled_venue_shows_the_same_tiers():
    assert MAKER_RATE_FRAC[1:] == tuple(Decimal(add) for _, _, add, _, _ in FEE_TIERS)


@pytest.mark.parametrize(("tier", "coin", "bps"), [(0, "BTC", 1.5), (3, "BTC", 0.4), (0, "xyz:TSLA", 3.0)])
def test_the_screener_prices_with_the_fee_that_a_shadow_fill_pays(tier, coin, bps):
    measured = Coin(coin, ScreenerConfig(fee_tier=tier), {})
    measured.on_book(1_000, book(coin, time_ms=1_000))
    measured.on_second(1_000)
    assert measured.verdict(1_000, version=1, as_prior_bps=1.0).config.maker_fee_bps == bps
