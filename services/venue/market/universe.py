"""The coins the venue knows: the real top 30 by day volume and those of the recordings, as plain numbers.

`market_parameters.json` is written by `scripts/measure_market.py` and holds nothing but numbers.
"""

from pathlib import Path

import msgspec

from shared.messages import CoinMeta

PARAMETERS = Path(__file__).with_name("market_parameters.json")


class ListedCoin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One perp as it stood on the day of the snapshot."""

    name: str
    sz_decimals: int
    max_leverage: int
    mid_px: float
    day_ntl_usd: float
    open_interest_sz: float
    funding_1h_frac: float
    spread_bps: float
    """Between the impact prices, so a little wider than touch to touch."""

    @property
    def meta(self) -> CoinMeta:
        return CoinMeta(self.name, self.sz_decimals, self.max_leverage)


class FlowParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Order flow measured on one recorded coin; what each number means stands in `scripts/measure_market.py`."""

    coin: str
    day_ntl_usd: float
    minute_atr_frac: float
    second_vol_frac: float
    spread_ticks: float
    touch_usd: float
    level_usd: float
    level_gap_ticks: float
    touch_changes_per_s: float
    takers_per_s: float
    taker_usd_median: float
    taker_usd_log_sd: float
    hawkes_branching: float
    hawkes_decay_per_s: float
    sign_persistence: float
    impact_spreads: float


class PowerLaw(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """coefficient * volume ** exponent."""

    coefficient: float
    exponent: float

    def at(self, volume: float) -> float:
        return float(self.coefficient * volume**self.exponent)


class MarketParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stored measurements."""

    coins: tuple[ListedCoin, ...]
    """The 30 of the modelled market, by day volume."""
    others: tuple[CoinMeta, ...]
    """Further coins whose recordings may be replayed."""
    flows: tuple[FlowParameters, ...]
    taker_rate: PowerLaw
    """Taker orders a second from day volume in dollars, over all perps of a recorded stretch of fills."""


MARKET = msgspec.json.decode(PARAMETERS.read_bytes(), type=MarketParameters)
BUILDER_COINS = (
    ListedCoin("xyz:XYZ100", 4, 25, 25_000.0, 300e6, 8_000.0, 1.25e-05, 0.8),
    ListedCoin("xyz:TSLA", 3, 10, 420.0, 35e6, 60_000.0, 1.25e-05, 2.5),
    ListedCoin("xyz:GOLD", 4, 20, 4_300.0, 90e6, 15_000.0, 1.25e-05, 1.0),
)
"""Coins of the builder-deployed dex. Not measured: plausible scales of an index, a stock and a metal."""
KNOWN_COINS: dict[str, CoinMeta] = {coin.name: coin.meta for coin in (*MARKET.coins, *BUILDER_COINS)} | {
    coin.coin: coin for coin in MARKET.others
}
