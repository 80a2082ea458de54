"""V6's three-tier grid: fixed depths around the mid, shifted against the inventory."""

from services.quoter.strategies.view import Ladder, MarketView, Wanted
from shared.messages import AssetConfig
from shared.units import BPS


def quote(view: MarketView, config: AssetConfig) -> Ladder:
    """depth_i = base·{1, 2.5, 5}·multiplier, size_i = min_order_usd·{1, 2, 3}, and for both sides

    shift = −clip(inventory / max_inventory, −1, 1) · skew_gain · base · multiplier   (bps)
    bid_i = mid·(1 + (shift − depth_i)/1e4),   ask_i = mid·(1 + (shift + depth_i)/1e4)

    Long inventory lowers both sides: less eager to buy, cheaper to sell. With skew_gain 1 the tightest reducing
    quote reaches the mid at full inventory and still rests.
    """
    half_spread_bps = config.base_spread_bps * view.multiplier
    load = min(max(view.inventory_usd / config.max_inv_usd, -1.0), 1.0)
    shift_bps = 0.0 - load * view.skew_gain * half_spread_bps
    mid = view.mid_px
    tiers = list(zip(config.tier_multipliers, config.tier_sizes, strict=False))
    return Ladder(
        half_spread_bps,
        shift_bps,
        tuple(
            Wanted(mid * (1 + (shift_bps - tier * half_spread_bps) * BPS), config.min_order_usd * size)
            for tier, size in tiers
        ),
        tuple(
            Wanted(mid * (1 + (shift_bps + tier * half_spread_bps) * BPS), config.min_order_usd * size)
            for tier, size in tiers
        ),
    )
