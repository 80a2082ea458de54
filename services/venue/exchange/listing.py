"""What the venue fixes about a coin: asset id, grid, leverage and margin tiers, caps; and its reference prices.

Prices count in units of 10^-(6 - szDecimals) dollars and sizes in lots of 10^-szDecimals coins, so that price
times lots is a whole number of micro-dollars: every cash flow of a trade is exact.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from services.venue.market.book import MAX_DECIMALS

MICRO = 1_000_000
"""Micro-dollars in a dollar; balances, fees and funding are integers of them."""
BUILDER_DEX_ASSETS = 100_000
ASSETS_A_DEX = 10_000

MarginMode = Literal["normal", "noCross", "strictIsolated"]


def usd(micro: int) -> Decimal:
    """Dollars of an amount in micro-dollars."""
    return Decimal(micro).scaleb(-6)


def micro(amount_usd: Decimal) -> int:
    """Micro-dollars of an amount; anything finer is cut off, as the venue does."""
    return int(amount_usd.scaleb(6))


@dataclass(frozen=True, slots=True)
class MarginTier:
    """From `lower_bound_ntl` micro-dollars of position on, at most `max_leverage`."""

    lower_bound_ntl: int
    max_leverage: int


@dataclass(frozen=True, slots=True)
class PerpDex:
    """A perp exchange on the chain: the first one has the name "" and index 0; others are builder-deployed."""

    name: str = ""
    index: int = 0
    full_name: str = ""
    deployer: str = ""
    fee_scale: Decimal = Decimal(1)
    oi_cap_ntl: int | None = None
    """Micro-dollars over all its coins."""
    oi_sz_cap: int | None = None
    """Most open lots of one coin."""
    max_transfer_ntl: int | None = None

    @property
    def first_asset(self) -> int:
        return BUILDER_DEX_ASSETS + ASSETS_A_DEX * self.index if self.index else 0


FIRST_DEX = PerpDex()


@dataclass(slots=True)
class Listing:
    """One perp. The reference prices change, everything else is fixed while the venue runs."""

    coin: str
    """With the dex as prefix where it is builder-deployed: `xyz:TSLA`."""
    asset: int
    sz_decimals: int
    tiers: tuple[MarginTier, ...]
    """Ascending, the first at 0; never empty."""
    margin_table_id: int
    dex: PerpDex = FIRST_DEX
    margin_mode: MarginMode = "normal"
    growth_mode: bool = False
    funding_multiplier: Decimal = Decimal(1)
    oi_cap_ntl: int | None = None
    """Micro-dollars of open interest; None: no cap."""
    halted: bool = False
    mark_px: int = 0
    """In price units; 0 until the first context."""
    oracle_px: int = 0
    rate_1h: Decimal = field(default=Decimal(0))
    """Funding rate that the next hour will pay, as a fraction."""
    open_lots: int = 0
    """Open interest of the modelled or recorded market, without that of accounts."""
    long_lots: int = 0
    short_lots: int = 0
    """What accounts hold together, on either side."""

    @property
    def max_leverage(self) -> int:
        return self.tiers[0].max_leverage

    def px(self, units: int) -> Decimal:
        return Decimal(units).scaleb(self.sz_decimals - MAX_DECIMALS)

    def sz(self, lots: int) -> Decimal:
        return Decimal(lots).scaleb(-self.sz_decimals)

    def px_units(self, px: Decimal) -> int:
        """Price units, cut; whether `px` lies on the grid is checked by whoever takes an order in."""
        return int(px.scaleb(MAX_DECIMALS - self.sz_decimals))

    def lots(self, sz: Decimal) -> int:
        return int(sz.scaleb(self.sz_decimals))
