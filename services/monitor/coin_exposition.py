"""What one coin quotes, fills and earns, for Prometheus."""

from collections.abc import Iterator

from services.monitor.coin import Coin
from services.monitor.microprice import book_imbalance
from shared.messages import TargetQuotes

Samples = Iterator[tuple[str, tuple[str, ...], float]]
MOST_TIERS = 5
CTX_FRESH_MS = 60_000
"""The venue repeats a coin's context every few seconds."""


def market(coin: Coin, now_ms: float) -> Samples:
    """What the ingestor says about now; of a market that nobody sees there is only how long that has been so."""
    staleness_s, cycle_ms = coin.staleness_s(now_ms), coin.cycle_ms(now_ms)
    if staleness_s is not None:
        yield "mm_data_staleness_secs", (coin.name,), staleness_s
    if cycle_ms is not None:
        yield "mm_quote_cycle_latency_ms", (coin.name,), cycle_ms
    if coin.ctx is not None and now_ms - coin.ctx.received_ms <= CTX_FRESH_MS:
        yield "mm_funding_rate", (coin.name,), coin.ctx.funding_1h_frac
    book = coin.book
    if book is None or not coin.is_fresh(now_ms):
        return
    yield "mm_mid_price", (coin.name,), book.mid_px
    yield "mm_touch_price", (coin.name, "bid"), float(book.bids[0].px)
    yield "mm_touch_price", (coin.name, "ask"), float(book.asks[0].px)
    yield "mm_spread_bps", (coin.name,), book.spread_bps
    yield "mm_book_imbalance", (coin.name,), book_imbalance(book)
    yield "mm_microprice_deviation_bps", (coin.name,), coin.microprice.deviation_bps(book, coin.flow_imbalance)
    if coin.volatility.sigma is not None:
        yield "mm_sigma", (coin.name,), coin.volatility.sigma
    if coin.volatility.regime is not None:
        yield "mm_volatility_regime", (coin.name,), coin.volatility.regime


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
