"""Known answers of the quoter: names of the reference vectors to the project's own functions."""

from collections.abc import Callable
from decimal import Decimal

from services.quoter import governor
from services.quoter.placement import caps
from services.quoter.strategies import STRATEGIES
from services.quoter.strategies.view import MarketView
from shared.messages import AssetConfig
from shared.units import exact


def _governor(atr_fraction, atr_source, regime_label, cancels, fills, p95_ms, funding_8h) -> dict:
    inputs = governor.Inputs(atr_fraction, atr_source, regime_label, cancels, fills, p95_ms, funding_8h)
    answer = governor.v6(inputs)._asdict()
    return {**answer, "reasons": list(answer["reasons"])}


def _staleness(observation_count, age_s, stale_after_s) -> dict:
    return {"spread_mult": governor.staleness(observation_count, age_s, stale_after_s)}


def _grid(mid, base_bps, mult, inv_usd, max_inv_usd, min_order_usd, skew_gain) -> dict:
    config = AssetConfig(coin="X", base_spread_bps=base_bps, max_inv_usd=max_inv_usd, min_order_usd=min_order_usd)
    ladder = STRATEGIES["grid"](MarketView(mid, mid, mid, inv_usd, mult, skew_gain), config)
    return {
        "shift_bps": ladder.shift_bps,
        "depths_bps": [ladder.half_spread_bps * tier for tier in config.tier_multipliers],
        "bids": [level.px for level in ladder.bids],
        "asks": [level.px for level in ladder.asks],
        "sizes_usd": [level.usd for level in ladder.bids],
    }


def _caps(max_pos, n_levels, price, min_notional) -> dict:
    assert min_notional == 10, "the venue's minimum is a constant of the project"
    answer = caps(exact(max_pos), n_levels, exact(price))._asdict()
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in answer.items()}


FUNCTIONS: dict[str, Callable[..., dict]] = {
    "governor.v6": _governor,
    "governor.staleness": _staleness,
    "ladder.v6_grid": _grid,
    "ladder.caps": _caps,
}
