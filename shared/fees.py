"""The venue's fees for perpetuals, for whoever prices, simulates or charges a fill. Rates are fractions of the
notional; + is paid."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class FeeTier:
    """What an account pays whose volume of 14 days is above `over_usd`."""

    over_usd: int
    taker: Decimal
    maker: Decimal
    spot_taker: Decimal
    spot_maker: Decimal


def _tier(over_usd: int, *rates: str) -> FeeTier:
    return FeeTier(over_usd, *map(Decimal, rates))


FEE_TIERS = (
    _tier(0, "0.00045", "0.00015", "0.0007", "0.0004"),
    _tier(5_000_000, "0.0004", "0.00012", "0.0006", "0.0003"),
    _tier(25_000_000, "0.00035", "0.00008", "0.0005", "0.0002"),
    _tier(100_000_000, "0.0003", "0.00004", "0.0004", "0.0001"),
    _tier(500_000_000, "0.00028", "0", "0.00035", "0"),
    _tier(2_000_000_000, "0.00026", "0", "0.0003", "0"),
    _tier(7_000_000_000, "0.00024", "0", "0.00025", "0"),
)
MAKER_REBATES = tuple(
    (Decimal(share), Decimal(rate))
    for share, rate in (("0.005", "-0.00001"), ("0.015", "-0.00002"), ("0.03", "-0.00003"))
)
"""(share of the exchange's maker volume above which it is paid, rate)."""
STAKING_DISCOUNTS = tuple(
    (Decimal(bps), Decimal(discount))
    for bps, discount in (
        ("0", "0"), ("0.0001", "0.05"), ("0.001", "0.1"), ("0.01", "0.15"), ("0.1", "0.2"), ("1", "0.3"),
        ("5", "0.4"),
    )
)  # fmt: skip
"""(staked part of the supply in basis points, discount)."""
REFERRAL_DISCOUNT = Decimal("0.04")
REFERRAL_DISCOUNT_USD = 25_000_000
"""Traded volume up to which a referred account has it."""
GROWTH_MODE_FACTOR = Decimal("0.1")


def tier_of(volume_14d_usd: Decimal) -> int:
    """Number of the tier for a volume: the highest whose threshold it exceeds."""
    return max(number for number, tier in enumerate(FEE_TIERS) if number == 0 or volume_14d_usd > tier.over_usd)


def builder_dex_factor(fee_scale: Decimal, growth_mode: bool) -> Decimal:
    """What a rate (not a rebate) is multiplied with on a builder-deployed dex of that fee scale."""
    factor = 1 + fee_scale if fee_scale < 1 else 2 * fee_scale
    return factor * GROWTH_MODE_FACTOR if growth_mode else factor


def maker_rate(tier: int, coin: str) -> Decimal:
    """Maker fee rate of a coin."""
    return FEE_TIERS[tier].maker * _dex_factor(coin)


def taker_rate(tier: int, coin: str) -> Decimal:
    """Taker fee rate of a coin."""
    return FEE_TIERS[tier].taker * _dex_factor(coin)


def _dex_factor(coin: str) -> Decimal:
    """Names of builder-deployed perps hold a colon (`xyz:TSLA`); they count with the usual fee scale of 1."""
    return builder_dex_factor(Decimal(1), False) if ":" in coin else Decimal(1)
