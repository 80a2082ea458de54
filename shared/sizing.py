"""Sizes and stops that follow from one number, the capital (`capital_usd`), where nobody has said otherwise.

`derive` is the formula, in coins at any price. Its sizes in dollars do not depend on the price, so settings are
derived at a price of $1; the quoter rounds to lots.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Literal, NamedTuple, get_args

from shared.units import MIN_NOTIONAL_USD, ORDER_CAP_FRAC, exact, floor_sz

SpreadProfile = Literal["default", "hip3", "aggressive"]
PROFILES: tuple[SpreadProfile, ...] = get_args(SpreadProfile)
LIQUIDITY_FRAC: dict[SpreadProfile, Decimal] = {
    "default": Decimal("0.20"),
    "hip3": Decimal("0.30"),
    "aggressive": Decimal("0.40"),
}
"""Part of the position limit that rests on each side."""
RISK_AVERSION: dict[SpreadProfile, float] = {"default": 0.30, "hip3": 0.15, "aggressive": 0.10}
"""γ of a strategy that asks for one; the grid does not."""
MARGIN_USE_FRAC = Decimal("0.5")
LEAST_LEVERAGE = 3
"""What the venue allows on every perpetual; from 2 on the capital limits a position, and not the margin."""
COMFORTABLE_ORDER_USD = Decimal(12)
"""A level this large stays above the venue's minimum when it is cut to lots."""
_CENTS = 2
_DOLLAR = Decimal(1)


class Derived(NamedTuple):
    """In coins. `viable`: the venue takes an order of that size; `binding`: what limits the position."""

    max_position_sz: Decimal
    target_liquidity_sz: Decimal
    """All orders of a side."""
    risk_aversion: float
    max_bps_diff: float
    """Requote threshold."""
    order_sz: Decimal
    """The largest single order, in lots."""
    viable: bool
    binding: Literal["capital", "margin"]


def derive(
    capital_usd: Decimal,
    px: Decimal,
    margin_usd: Decimal,
    leverage: int,
    fee_bps: float,
    profile: SpreadProfile,
    sz_decimals: int,
) -> Derived:
    """max_position = min(capital, margin·leverage·0.5) / price, target_liquidity = 20 / 30 / 40 % of it,
    order = min(target_liquidity, 25 % of it) in lots, max_bps_diff = clip(2·|fee|, 3, 15)."""
    borrowed_usd = margin_usd * leverage * MARGIN_USE_FRAC
    position_sz = min(capital_usd, borrowed_usd) / px
    liquidity_sz = LIQUIDITY_FRAC[profile] * position_sz
    order_sz = floor_sz(min(liquidity_sz, ORDER_CAP_FRAC * position_sz), sz_decimals)
    return Derived(
        max_position_sz=position_sz,
        target_liquidity_sz=liquidity_sz,
        risk_aversion=RISK_AVERSION[profile],
        max_bps_diff=min(max(2 * abs(fee_bps), 3.0), 15.0),
        order_sz=order_sz,
        viable=order_sz * px >= MIN_NOTIONAL_USD,
        binding="capital" if capital_usd <= borrowed_usd else "margin",
    )


def derive_usd(capital_usd: Decimal, fee_bps: float, profile: SpreadProfile) -> Derived:
    """The same in dollars, for a coin that has this capital to itself."""
    return derive(capital_usd, _DOLLAR, capital_usd, LEAST_LEVERAGE, fee_bps, profile, _CENTS)


def least_capital_usd(profile: SpreadProfile) -> Decimal:
    """The smallest capital of a coin at which one order reaches the venue's minimum."""
    return MIN_NOTIONAL_USD / min(LIQUIDITY_FRAC[profile], ORDER_CAP_FRAC)


class LadderUsd(NamedTuple):
    """`order_usd` times each of `tier_sizes` is a side's orders."""

    order_usd: Decimal
    tier_sizes: tuple[float, ...]


def ladder_usd(derived: Derived, tier_sizes: Sequence[float]) -> LadderUsd:
    """As many of these tiers as are worth making: together the wanted liquidity, none above the order cap, the
    smallest comfortably above the venue's minimum. One order is always made; whether it is viable is told apart.
    """
    cap_usd = ORDER_CAP_FRAC * derived.max_position_sz
    for count in range(len(tier_sizes), 1, -1):
        sizes = [exact(size) for size in tier_sizes[:count]]
        unit_usd = min(derived.target_liquidity_sz / sum(sizes), cap_usd / max(sizes))
        if unit_usd * min(sizes) >= COMFORTABLE_ORDER_USD:
            return LadderUsd(floor_sz(unit_usd, _CENTS), tuple(tier_sizes[:count]))
    return LadderUsd(floor_sz(derived.order_sz / exact(tier_sizes[0]), _CENTS), tuple(tier_sizes[:1]))


def too_small(capital_usd: Decimal, coins: int, profile: SpreadProfile) -> str:
    """The arithmetic of a capital that cannot be quoted with, and what helps; empty when it can."""
    share_usd, least_usd = capital_usd / coins, least_capital_usd(profile)
    if derive_usd(share_usd, 0.0, profile).viable:
        return ""
    frac = min(LIQUIDITY_FRAC[profile], ORDER_CAP_FRAC)
    most = int((capital_usd / least_usd).to_integral_value(ROUND_FLOOR))
    remedies = [f"at least MM_CAPITAL_USD={least_usd * coins:f}"]
    if most:
        remedies.append(f"at most {most} coins (MM_COINS or MM_TOP_N={most})")
    remedies += [
        f"MM_SPREAD_PROFILE={other} (${least_capital_usd(other):f} a coin)"
        for other in PROFILES
        if least_capital_usd(other) < least_usd and derive_usd(share_usd, 0.0, other).viable
    ]
    return (
        f"Capital too small: ${capital_usd:,f} over {coins} coin{'s' * (coins > 1)} is ${share_usd:,.2f} a coin;"
        f" profile {profile} makes orders of {frac:.0%} of that, ${share_usd * frac:,.2f}, and the venue refuses"
        f" less than ${MIN_NOTIONAL_USD}, so a coin needs ${least_usd:f}. It takes {', or '.join(remedies)}"
    )
