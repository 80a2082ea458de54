"""The grid for Prometheus, read from the core's state at the moment of a scrape.

A value that is not known, or no longer known because its writer is silent, has no series. Staleness and cycle
latency are the maximum since the last scrape.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.monitor.coin import SIDES, Coin
from services.monitor.core import FRESH_MS, Monitor
from services.monitor.live_exposition import live_samples, reducing_samples
from services.monitor.risk import halt_code, rule_samples
from shared.clock import wall_ms
from shared.messages import CoinStatus
from shared.metrics import GRID

Sample = tuple[tuple[str, ...], float]


def _ledger(read: Callable[[CoinStatus], object]) -> Callable[[Coin], float | None]:
    """A number of the executor's ledger; the last one stays true while it is silent."""
    return lambda coin: None if coin.status is None else float(str(read(coin.status)))


def _max_position(coin: Coin) -> float | None:
    limit_usd, px = coin.max_inv_usd, coin.mark_px
    return None if limit_usd is None or px is None else limit_usd / px


def _utilization(coin: Coin) -> float | None:
    limit = _max_position(coin)
    return None if coin.status is None or not limit else abs(float(coin.status.position_sz)) / limit


def _imbalance(coin: Coin) -> float | None:
    if coin.book is None:
        return None
    bid_sz, ask_sz = float(coin.book.bids[0].sz), float(coin.book.asks[0].sz)
    return (bid_sz - ask_sz) / (bid_sz + ask_sz)


_OF_COIN: dict[str, Callable[[Coin], float | None]] = {
    "mm_position": _ledger(lambda line: line.position_sz),
    "mm_max_position": _max_position,
    "mm_inventory_utilization": _utilization,
    "mm_daily_pnl": _ledger(lambda line: line.pnl_usd),
    "mm_realized_pnl": _ledger(lambda line: line.realized_usd),
    "mm_unrealized_pnl": _ledger(lambda line: line.unrealized_usd),
    "mm_peak_pnl": _ledger(lambda line: line.peak_pnl_usd),
    "mm_fees_usd": _ledger(lambda line: line.fees_usd),
    "mm_funding_usd": _ledger(lambda line: line.funding_usd),
    "mm_fill_usd_total": _ledger(lambda line: line.volume_usd),
    "mm_orders_placed_total": _ledger(lambda line: line.orders_placed),
    "mm_orders_filled_total": _ledger(lambda line: line.fills),
    "mm_orders_cancelled_total": _ledger(lambda line: line.orders_canceled),
    "mm_mid_price": lambda coin: coin.book.mid_px if coin.book else None,
    "mm_spread_bps": lambda coin: coin.book.spread_bps if coin.book else None,
    "mm_book_imbalance": _imbalance,
    "mm_sigma": lambda coin: coin.volatility.sigma,
    "mm_volatility_regime": lambda coin: coin.volatility.regime,
    "mm_funding_rate": lambda coin: coin.ctx.funding_1h_frac if coin.ctx else None,
    "mm_edge_bps": lambda coin: coin.config.edge_bps if coin.config else None,
    "mm_adverse_selection_bps": lambda coin: coin.markouts.mean_bps,
    "mm_quote_cycle_latency_ms": lambda coin: coin.take_cycle_ms(),
}


class GridCollector(Collector):
    """Gives a registry the grid's metrics; `now_ms` is replaceable in tests."""

    def __init__(self, core: Monitor, venue: str, version: str, now_ms: Callable[[], float] = wall_ms) -> None:
        self._core, self._now_ms = core, now_ms
        self._venue, self._version = venue, version

    def collect(self) -> Iterator[Metric]:
        now_ms = self._now_ms()
        samples = self._samples(now_ms)
        for metric in GRID:
            family = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(
                metric.name, metric.text, labels=metric.labels
            )
            for labels, value in samples[metric.name]:
                family.add_metric(labels, value)
            if family.samples:
                yield family

    def _samples(self, now_ms: float) -> dict[str, list[Sample]]:
        coins = self._core.coins.values()
        samples: dict[str, list[Sample]] = {
            name: [((coin.name,), value) for coin in coins if (value := read(coin)) is not None]
            for name, read in _OF_COIN.items()
        }
        parts = self._sides, self._present, self._risk, self._account, self._live, self._services, self._build
        for part in parts:
            for name, labels, value in part(now_ms):
                samples.setdefault(name, []).append((labels, value))
        return {metric.name: samples.get(metric.name, []) for metric in GRID}

    def _sides(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """Orders and reasons, while the executor is there to tell."""
        heard = self._heard(now_ms)
        for coin in self._core.coins.values():
            for (side, reason), seconds in coin.noquote_s.items():
                yield "mm_noquote_seconds_total", (coin.name, side, reason), seconds
            for reason, count in coin.rejected.items():
                yield "mm_orders_rejected_total", (coin.name, reason), count
            if coin.status is None or not heard:
                continue
            yield "mm_open_orders", (coin.name,), coin.status.resting_bids + coin.status.resting_asks
            best = {"bid": coin.status.best_bid_px, "ask": coin.status.best_ask_px}
            for side in SIDES:
                yield "mm_quoting", (coin.name, side), float(coin.resting(side) > 0)
                blocked = coin.blocked(side)
                if blocked is not None:
                    yield "mm_side_blocked", (coin.name, side, blocked), 1.0
                px = best[side]
                if px is not None:
                    yield "mm_quote_price", (coin.name, side), float(px)

    def _present(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """What quoter, guard and ingestor say about now."""
        for coin in self._core.coins.values():
            staleness_s = coin.take_staleness_s(now_ms)
            if staleness_s is not None:
                yield "mm_data_staleness_secs", (coin.name,), staleness_s
            if coin.target is not None and now_ms - coin.target.computed_ms <= FRESH_MS:
                yield "mm_regime_multiplier", (coin.name,), coin.target.multiplier
            lease = coin.lease
            if lease is not None and lease.ofi is not None and now_ms <= lease.valid_until_ms:
                yield "mm_ofi", (coin.name,), lease.ofi
                yield "mm_flow_imbalance", (coin.name,), lease.ofi
            if lease is not None and now_ms <= lease.valid_until_ms:
                yield "mm_tail_risk_multiplier", (coin.name,), lease.spread_multiplier
                yield "mm_size_multiplier", (coin.name,), lease.size_multiplier

    def _risk(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        core = self._core
        leases = [coin.lease for coin in core.coins.values() if coin.lease is not None]
        if leases:
            fills = sum(lease.fills_1h for lease in leases)
            yield "mm_cancel_fill_ratio", (), sum(lease.cancels_1h for lease in leases) / max(fills, 1)
        if core.halt is not None:
            yield "mm_halted", (halt_code(core.halt, core.rules),), float(core.halt.halted)
            for name in core.coins:
                yield "mm_kill_switch_triggered", (name,), float(core.halt.halted)
        if "guard" in core.heartbeats:
            yield "mm_stall_panics_total", (), core.stall_panics
        yield from rule_samples(core.rules, now_ms, FRESH_MS)

    def _heard(self, now_ms: float) -> bool:
        account = self._core.account
        return account is not None and now_ms - account.time_ms <= FRESH_MS

    def _account(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        account = self._core.account
        if self._core.executor_mode is not None:
            yield "mm_live", (), float(self._core.executor_mode == "live")
        if account is None:
            return
        equity_usd = float(account.starting_balance_usd + account.pnl_usd)
        yield "mm_session_pnl_usd", (), float(account.pnl_usd)
        yield "mm_account_value_usd", (), equity_usd
        for coin in self._core.coins.values():
            if coin.status is not None:
                lost_usd = float(coin.status.peak_pnl_usd - coin.status.pnl_usd)
                yield "mm_drawdown_pct", (coin.name,), lost_usd / equity_usd if equity_usd > 0 else 1.0

    def _live(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        account, heard = self._core.account, self._heard(now_ms)
        if account is not None and heard:
            yield from reducing_samples(account, self._core.coins)
        yield from live_samples(self._core, now_ms, heard)

    def _services(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        core = self._core
        for service, beat in core.heartbeats.items():
            yield "mm_service_heartbeat_age_seconds", (service,), max(0.0, now_ms - beat.time_ms) / 1000
            yield "mm_service_memory_bytes", (service,), beat.rss_mb * 1024 * 1024
        if core.feed is not None:
            yield "mm_ws_reconnects_total", (), core.feed.reconnects_total
        if core.redis_memory_ratio is not None:
            yield "mm_redis_memory_ratio", (), core.redis_memory_ratio
        if core.converted_ms is not None:
            yield "mm_converter_last_success_timestamp_seconds", (), core.converted_ms / 1000

    def _build(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        yield "mm_build_info", (self._version, self._venue), 1.0
