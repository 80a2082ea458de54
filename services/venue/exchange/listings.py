"""Which perps are listed and under which rules: asset ids, margin tables, dexs (reference page §2, §9).

The margin tables and who has which are the main net's. The builder-deployed dex is made up: one coin of each
margin mode, one of them in growth mode.
"""

from collections.abc import Sequence
from decimal import Decimal

from services.venue.config import VenueConfig
from services.venue.exchange.listing import FIRST_DEX, MICRO, Listing, MarginMode, MarginTier, PerpDex, micro
from shared.errors import DataError
from shared.messages import CoinMeta

XYZ = PerpDex(
    name="xyz",
    index=1,
    full_name="XYZ",
    deployer="0x" + "9" * 40,
    oi_cap_ntl=1_000_000_000 * MICRO,
    oi_sz_cap=10**9,
    max_transfer_ntl=1_000_000_000 * MICRO,
)


def _tiers(leverage: int, above_usd: int, then: int) -> tuple[MarginTier, ...]:
    return MarginTier(0, leverage), MarginTier(above_usd * MICRO, then)


MARGIN_TABLES: dict[int, tuple[MarginTier, ...]] = {
    51: _tiers(10, 3_000_000, 5),
    52: _tiers(10, 20_000_000, 5),
    53: _tiers(20, 40_000_000, 10),
    54: _tiers(20, 70_000_000, 10),
    55: _tiers(25, 100_000_000, 15),
    56: _tiers(40, 150_000_000, 20),
}
"""By `marginTableId`; an id under 50 is its own and only leverage."""
LARGE_COINS = {"BTC": 56, "ETH": 55, "SOL": 54, "XRP": 53}
SMALL_COINS = {"BNB", "ARB", "TRX", "kSHIB", "DOT", "TON", "JUP", "ONDO", "PAXG", "XPL"}
"""Of those with 10x: the ones whose second tier begins early."""
MARGIN_MODES: dict[str, MarginMode] = {"xyz:TSLA": "noCross", "xyz:GOLD": "strictIsolated"}
GROWTH_MODE = {"xyz:TSLA"}


def dexs(config: VenueConfig) -> tuple[PerpDex, ...]:
    """The first dex, and the builder-deployed one where the settings want it."""
    return (FIRST_DEX, XYZ) if config.builder_dex else (FIRST_DEX,)


def listings(coins: Sequence[CoinMeta], config: VenueConfig) -> dict[str, Listing]:
    """Listings by coin; a dex numbers its coins in the order of `coins`.

    Raises:
        DataError: a coin's name has the prefix of a dex that there is not.
    """
    by_name = {dex.name: dex for dex in dexs(config)}
    count = dict.fromkeys(by_name, 0)
    listed: dict[str, Listing] = {}
    for meta in coins:
        name = meta.coin.rpartition(":")[0]
        dex = by_name.get(name)
        if dex is None:
            raise DataError(f"{meta.coin}: there is no dex {name!r}; see builder_dex (MM_BUILDER_DEX)")
        listed[meta.coin] = _listing(meta, dex, dex.first_asset + count[name], config.oi_caps.get(meta.coin))
        count[name] += 1
    return listed


def _listing(meta: CoinMeta, dex: PerpDex, asset: int, oi_cap: Decimal | None) -> Listing:
    table = _margin_table(meta)
    return Listing(
        coin=meta.coin,
        asset=asset,
        sz_decimals=meta.sz_decimals,
        tiers=MARGIN_TABLES.get(table) or (MarginTier(0, meta.max_leverage),),
        margin_table_id=table,
        dex=dex,
        margin_mode=MARGIN_MODES.get(meta.coin, "normal"),
        growth_mode=meta.coin in GROWTH_MODE,
        oi_cap_ntl=None if oi_cap is None else micro(oi_cap),
    )


def _margin_table(meta: CoinMeta) -> int:
    if meta.coin in LARGE_COINS:
        return LARGE_COINS[meta.coin]
    if meta.max_leverage == 10 and ":" not in meta.coin:
        return 51 if meta.coin in SMALL_COINS else 52
    return meta.max_leverage
