"""The grid for Prometheus, read from the core's state at the moment of a scrape.

A value that is not known has no series. While its writer is silent (`SILENT_MS`), what it said of the present has
none either: the market where no book comes, orders and reasons without the executor, rules without the guard. What
stays is what was summed up, the ledger's last word (also which mode it is in), the screener's estimates, which the
quoter works with until others come, and every age, which goes on growing. Greatest values are those of the last
ten seconds, whoever asks and how often.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.monitor.bounds import Bounds
from services.monitor.coin import SIDES, Coin
from services.monitor.coin_exposition import market, traded, wanted
from services.monitor.core import Monitor
from services.monitor.live_exposition import live_samples, reducing_samples
from services.monitor.risk import halt_code, rule_samples
from services.monitor.system_exposition import system_samples
from services.monitor.uptime import quote_spread_bps
from shared.clock import wall_ms
from shared.messages import SILENT_MS, CoinStatus
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


_OF_COIN: dict[str, Callable[[Coin], float | None]] = {
    "mm_position": _ledger(lambda line: line.position_sz),
    "mm_position_usd": _ledger(lambda line: line.position_sz * line.mark_px),
    "mm_max_position": _max_position,
    "mm_max_position_usd": lambda coin: coin.max_inv_usd,
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
    "mm_kappa": lambda coin: coin.kappa_per_frac,
    "mm_beta_book": lambda coin: coin.microprice.beta[0] if coin.microprice.beta else None,
    "mm_beta_flow": lambda coin: coin.microprice.beta[1] if coin.microprice.beta else None,
    "mm_edge_bps": lambda coin: coin.config.edge_bps if coin.config else None,
    "mm_adverse_selection_bps": lambda coin: coin.markouts.mean_bps,
}


class GridCollector(Collector):
    """Gives a registry the grid's metrics; `now_ms` is replaceable in tests."""

    def __init__(self, core: Monitor, venue: str, version: str, now_ms: Callable[[], float] = wall_ms) -> None:
        self._core, self._now_ms = core, now_ms
        self._venue, self._version = venue, version
        self._bounds = Bounds()

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
        parts = self._sides, self._present, self._risk, self._account, self._live, self._system
        for part in parts:
            for name, labels, value in part(now_ms):
                samples.setdefault(name, []).append((labels, value))
        return {
            metric.name: list(self._bounds.within(metric, samples.get(metric.name, ()), self._core.coins))
            for metric in GRID
        }

    def _sides(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """Orders and reasons, while the executor is there to tell."""
        heard = self._heard(now_ms)
        for coin in self._core.coins.values():
            yield from traded(coin)
            for (side, reason), seconds in coin.noquote_s.items():
                yield "mm_noquote_seconds_total", (coin.name, side, reason), seconds
            for reason, count in coin.rejected.items():
                yield "mm_orders_rejected_total", (coin.name, reason), count
            if coin.status is None or not heard:
                continue
            spread_bps = quote_spread_bps(coin.status)
            if spread_bps is not None:
                yield "mm_quote_spread_bps", (coin.name,), spread_bps
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
            yield from market(coin, now_ms)
            if coin.target is not None and now_ms - coin.target.computed_ms <= SILENT_MS:
                yield "mm_regime_multiplier", (coin.name,), coin.target.multiplier
                yield from wanted(coin.name, coin.target)
            lease = coin.lease
            if lease is not None:
                yield "mm_lease_left_seconds", (coin.name,), (lease.valid_until_ms - now_ms) / 1000
            if lease is not None and lease.ofi is not None and now_ms <= lease.valid_until_ms:
                yield "mm_ofi", (coin.name,), lease.ofi
                yield "mm_flow_imbalance", (coin.name,), lease.ofi
            if lease is not None and now_ms <= lease.valid_until_ms:
                yield "mm_tail_risk_multiplier", (coin.name,), lease.spread_multiplier
                yield "mm_size_multiplier", (coin.name,), lease.size_multiplier

    def _risk(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        core = self._core
        told = (coin.lease for coin in core.coins.values() if coin.lease is not None)
        leases = [lease for lease in told if now_ms - lease.issued_ms <= SILENT_MS]
        if leases:
            fills = sum(lease.fills_1h for lease in leases)
            yield "mm_cancel_fill_ratio", (), sum(lease.cancels_1h for lease in leases) / max(fills, 1)
        if core.halt is not None:
            yield "mm_halted", (halt_code(core.halt, core.rules),), float(core.halt.halted)
            for name in core.coins:
                yield "mm_kill_switch_triggered", (name,), float(core.halt.halted)
        if "guard" in core.heartbeats:
            yield "mm_stall_panics_total", (), core.stall_panics
        yield from rule_samples(core.rules, now_ms, SILENT_MS)

    def _heard(self, now_ms: float) -> bool:
        account = self._core.account
        return account is not None and now_ms - account.time_ms <= SILENT_MS

    def _account(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        account = self._core.account
        if self._core.executor_mode is not None:
            yield "mm_live", (), float(self._core.executor_mode == "live")
            yield "mm_mode", (self._core.executor_mode,), 1.0
        if account is None:
            return
        at_stake_usd = float(account.starting_balance_usd + account.pnl_usd)
        equity_usd = at_stake_usd if account.equity_usd is None else float(account.equity_usd)
        yield "mm_session_pnl_usd", (), float(account.pnl_usd)
        yield "mm_day_pnl_usd", (), float(account.day_pnl_usd)
        yield "mm_day_start_timestamp_seconds", (), account.day_start_ms / 1000
        yield "mm_account_value_usd", (), equity_usd
        for coin in self._core.coins.values():
            if coin.status is not None:
                lost_usd = float(coin.status.peak_pnl_usd - coin.status.pnl_usd)
                yield "mm_drawdown_pct", (coin.name,), lost_usd / at_stake_usd if at_stake_usd > 0 else 1.0

    def _live(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        account, heard = self._core.account, self._heard(now_ms)
        if account is not None and heard:
            yield from reducing_samples(account, self._core.coins)
        yield from live_samples(self._core, now_ms, heard)

    def _system(self, now_ms: float) -> Iterable[tuple[str, tuple[str, ...], float]]:
        yield "mm_build_info", (self._version, self._venue), 1.0
        yield from system_samples(self._core, now_ms)
