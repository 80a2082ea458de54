"""What one coin quotes, fills and earns, for Prometheus."""

from collections.abc import Iterator

from services.monitor.coin import Coin
from shared.messages import TargetQuotes

Samples = Iterator[tuple[str, tuple[str, ...], float]]
MOST_TIERS = 5


def traded(coin: Coin) -> Samples:
    """What is counted and stays true while the executor is silent."""
    yield from _uptime(coin)
    for horizon, markouts in coin.by_horizon.items():
        if markouts.mean_bps is not None:
            yield "mm_markout_bps", (coin.name, horizon), -markouts.mean_bps
    for side, fill in coin.last_fills.items():
        yield "mm_last_fill_price", (coin.name, side), float(fill.px)
        yield "mm_last_fill_timestamp_seconds", (coin.name, side), fill.time_ms / 1000
    for part, usd in (coin.edge.parts_usd or {}).items():
        yield "mm_edge_part_usd", (coin.name, part), usd
        if coin.edge.volume_usd:
            yield "mm_edge_part_bps", (coin.name, part), usd / coin.edge.volume_usd * 1e4


def _uptime(coin: Coin) -> Samples:
    total, today = coin.uptime.total, coin.uptime.today
    if not total.observed:
        return
    yield "mm_observed_seconds_total", (coin.name,), total.observed
    yield "mm_two_sided_seconds_total", (coin.name,), total.two_sided
    yield "mm_two_sided_tight_seconds_total", (coin.name,), total.tight
    yield "mm_observed_today_seconds", (coin.name,), today.observed
    yield "mm_two_sided_today_seconds", (coin.name,), today.two_sided
    yield "mm_two_sided_tight_today_seconds", (coin.name,), today.tight


def wanted(coin: str, target: TargetQuotes) -> Samples:
    """The quoter's ladder, whether it rests or not."""
    yield "mm_half_spread_bps", (coin,), target.half_spread_bps
    yield "mm_shift_bps", (coin,), target.shift_bps
    for side, levels in (("bid", target.bids), ("ask", target.asks)):
        for level in levels:
            if 1 <= level.level <= MOST_TIERS:
                yield "mm_target_price", (coin, side, str(level.level)), float(level.px)
