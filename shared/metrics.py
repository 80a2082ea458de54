"""Every metric name of the project; dashboards and alerts may use these and no others (a test checks).

The grid (`asset` label) is exposed once, by the monitor, from the streams; each service exposes its own
latency and bus metrics. A series of the grid appears when it has a true value, and goes when that is no
longer known: no constant zeros.
"""

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

LATENCY_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Every latency objective is an edge."""
REQUEST_BUCKETS_S = (*LATENCY_BUCKETS_S, 2.5, 5.0)
"""A request crosses the world and may have to wait at the venue."""


class _Once:
    """A latency that only some services have: exposed from its first observation on, never as a row of zeros."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        text: str,
        labels: tuple[str, ...] = (),
        buckets: tuple[float, ...] = LATENCY_BUCKETS_S,
    ) -> None:
        self._registry: CollectorRegistry | None = registry
        self._histogram = Histogram(name, text, labels, buckets=buckets, registry=None)

    def observe(self, seconds: float, *labels: str) -> None:
        if self._registry is not None:
            self._registry.register(self._histogram)
            self._registry = None
        (self._histogram.labels(*labels) if labels else self._histogram).observe(seconds)


class ServiceMetrics:
    """What one process says about itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bus_hop_seconds = Histogram(
            "mm_bus_hop_seconds",
            "From writing an entry to handling it here",
            ("stream",),
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.frame_to_bus_seconds = _Once(
            registry, "mm_frame_to_bus_seconds", "Frame received from the venue to its messages published"
        )
        self.quote_cycle_seconds = _Once(
            registry, "mm_quote_cycle_seconds", "One batch of inputs through the core, outputs published"
        )
        self.tick_to_target_seconds = _Once(
            registry, "mm_tick_to_target_seconds", "Frame received to target published"
        )
        self.target_to_order_seconds = _Once(
            registry,
            "mm_target_to_order_seconds",
            "Target computed to order handed to the exchange, full milliseconds upwards",
        )
        self.tick_to_order_seconds = _Once(
            registry, "mm_tick_to_order_seconds", "Frame received to order handed to the exchange"
        )
        self.exchange_request_seconds = _Once(
            registry,
            "mm_exchange_request_seconds",
            "Request sent to the venue to its answer, live only: of an order that is its acknowledgement",
            ("action",),
            REQUEST_BUCKETS_S,
        )
        self.bus_skipped = Counter(
            "mm_bus_skipped",
            "Entries of latest streams passed over by conflation",
            ("stream",),
            registry=registry,
        )
        self.bus_lost = Counter(
            "mm_bus_lost", "Entries trimmed before they were handled", ("stream",), registry=registry
        )
        self.bus_reconnects = Counter(
            "mm_bus_reconnects", "Times the bus was lost and found again", registry=registry
        )
        self.bus_up = Gauge("mm_bus_up", "1 while Redis answers", registry=registry)


@dataclass(frozen=True, slots=True)
class GridMetric:
    """One metric of the whole grid; a counter's name carries its `_total`."""

    name: str
    kind: Literal["gauge", "counter"]
    text: str
    labels: tuple[str, ...] = ("asset",)


def _gauge(name: str, text: str, *labels: str) -> GridMetric:
    return GridMetric(name, "gauge", text, labels)


def _counter(name: str, text: str, *labels: str) -> GridMetric:
    return GridMetric(name, "counter", text, labels)


GRID = (
    # position and PnL, as the executor's ledger has them
    _gauge("mm_position", "Signed position in coins, + long", "asset"),
    _gauge("mm_position_usd", "The same in USD at the ledger's mark", "asset"),
    _gauge("mm_max_position", "Position limit in coins: inventory limit in USD at the mid", "asset"),
    _gauge("mm_max_position_usd", "Inventory limit in USD", "asset"),
    _gauge("mm_inventory_utilization", "|position| / limit", "asset"),
    _gauge("mm_daily_pnl", "Session PnL in USD by the ledger: realised + unrealised - fees + funding", "asset"),
    _gauge("mm_realized_pnl", "Closed PnL of the session in USD, gross of fees", "asset"),
    _gauge("mm_unrealized_pnl", "Open PnL in USD at the mid, change since the session began", "asset"),
    _gauge("mm_peak_pnl", "Highest mm_daily_pnl of the session in USD", "asset"),
    _gauge("mm_drawdown_pct", "Session (peak PnL - PnL) / (starting balance + session PnL): 0.02 is 2 %", "asset"),
    _gauge("mm_fees_usd", "Fees of the session in USD, + paid", "asset"),
    _gauge("mm_funding_usd", "Funding of the session in USD, + received", "asset"),
    _gauge("mm_session_pnl_usd", "Session PnL in USD of the whole account, net of fees and funding"),
    _gauge("mm_day_pnl_usd", "PnL in USD of the whole account since mm_day_start_timestamp_seconds, net"),
    _gauge("mm_day_start_timestamp_seconds", "Unix time of UTC midnight, or of the resume that ended a halt"),
    _gauge(
        "mm_account_value_usd",
        "Equity: live as the venue has it, in shadow starting balance and all PnL",
    ),
    _gauge(
        "mm_edge_part_usd", "What the session's net PnL consists of in USD, + earned: sums to net", "asset", "part"
    ),
    _gauge("mm_edge_part_bps", "The same in bps of the volume filled", "asset", "part"),
    # market
    _gauge("mm_mid_price", "Mid in USD", "asset"),
    _gauge("mm_touch_price", "Best price of the market in USD", "asset", "side"),
    _gauge("mm_spread_bps", "Spread from touch to touch in bps of the mid", "asset"),
    _gauge("mm_sigma", "Volatility of the mid, fraction per square root of a second, half-life 60 s", "asset"),
    _gauge("mm_volatility_regime", "0 normal, 1 high, 2 extreme: fast over slow volatility", "asset"),
    _gauge("mm_kappa", "Decay of market orders' reach beyond the touch, 1 / fraction: 2000 is 5 bps", "asset"),
    _gauge(
        "mm_microprice_deviation_bps",
        "Expected over present mid: learned from the imbalances, else the weighted mid",
        "asset",
    ),
    _gauge("mm_beta_book", "Its coefficient of mm_book_imbalance, fraction per unit", "asset"),
    _gauge("mm_beta_flow", "Its coefficient of mm_flow_imbalance, fraction per unit", "asset"),
    _gauge("mm_book_imbalance", "(bid size - ask size) / (bid size + ask size) at the touch", "asset"),
    _gauge("mm_flow_imbalance", "Taker volume (bought - sold) / total, last 200 trades", "asset"),
    _gauge("mm_funding_rate", "Predicted funding rate per hour, a fraction", "asset"),
    # quoting
    _gauge("mm_quoting", "1 while an order of ours rests on the side", "asset", "side"),
    _gauge("mm_side_blocked", "1 while the side has no order, with the reason", "asset", "side", "reason"),
    _counter("mm_noquote_seconds_total", "Time without an order on the side", "asset", "side", "reason"),
    _counter("mm_observed_seconds_total", "Time for which the executor told what rests", "asset"),
    _counter("mm_two_sided_seconds_total", "Of this: an order on each side", "asset"),
    _counter(
        "mm_two_sided_tight_seconds_total", "Of this: our spread within MM_MONITOR_UPTIME_SPREAD_BPS", "asset"
    ),
    _gauge("mm_observed_today_seconds", "mm_observed_seconds_total since UTC midnight", "asset"),
    _gauge("mm_two_sided_today_seconds", "mm_two_sided_seconds_total since UTC midnight", "asset"),
    _gauge("mm_two_sided_tight_today_seconds", "mm_two_sided_tight_seconds_total since UTC midnight", "asset"),
    _gauge("mm_quote_price", "Our best resting price in USD", "asset", "side"),
    _gauge("mm_quote_spread_bps", "From our best bid to our best ask in bps of the middle", "asset"),
    _gauge("mm_target_price", "Wanted ladder in USD, tier 1 tightest", "asset", "side", "tier"),
    _gauge("mm_half_spread_bps", "Wanted distance of the tightest tier from the centre", "asset"),
    _gauge("mm_shift_bps", "Wanted centre over the mid: skew by inventory and funding", "asset"),
    _gauge("mm_open_orders", "Orders resting on the book", "asset"),
    _gauge("mm_regime_multiplier", "Factor of the regime governor on the half spread, 1 to 4", "asset"),
    _gauge("mm_edge_bps", "Expected net edge of a fill in bps, as the screener sees it", "asset"),
    _gauge("mm_ofi", "Order-flow imbalance that gates the sides, -1 to 1, + buying", "asset"),
    _gauge("mm_adverse_selection_bps", "Mid moved against our fills after 5 s, in bps, running mean", "asset"),
    _gauge(
        "mm_markout_bps", "Mid moved for our fills after the horizon, running mean, + good", "asset", "horizon"
    ),
    _gauge("mm_last_fill_price", "Price of our newest fill in USD", "asset", "side"),
    _gauge("mm_last_fill_timestamp_seconds", "Unix time of our newest fill", "asset", "side"),
    _counter("mm_orders_placed_total", "Orders placed since the executor started", "asset"),
    _counter("mm_orders_filled_total", "Fills of the session, partial ones included", "asset"),
    _counter("mm_orders_cancelled_total", "Orders cancelled since the executor started", "asset"),
    _counter("mm_orders_rejected_total", "Orders refused by the exchange or before it", "asset", "reason"),
    _counter("mm_fill_usd_total", "Volume of our fills in the session in USD", "asset"),
    _gauge("mm_cancel_fill_ratio", "Cancels per fill over the last hour, all coins"),
    # risk
    _gauge("mm_kill_switch_triggered", "1 while everything is halted, 0 while running", "asset"),
    _gauge("mm_halted", "1 with its reason while everything is halted, 0 with reason none", "reason"),
    _gauge("mm_mode", "1 with the mode the executor says it is in: shadow or live", "mode"),
    _gauge("mm_live", "1 live, 0 shadow: what the executor says it does"),
    _gauge("mm_reduce_only", "1 while the operator allows only orders towards flat", "asset"),
    _gauge("mm_flattening", "1 while the position is being worked off", "asset"),
    _counter("mm_stall_panics_total", "Stall panics since the monitor started"),
    _gauge("mm_rule_value", "What a rule of the guard sees, in its unit", "rule", "asset", "unit"),
    _gauge("mm_rule_limit", "Where it fires", "rule", "asset", "unit"),
    _gauge("mm_rule_closeness", "|value| / limit, 1 and more: there", "rule", "asset"),
    _gauge("mm_rule_fired", "1 while the rule holds back quotes, by its level", "rule", "asset", "level"),
    _counter("mm_rule_fired_total", "Times that the rule began to fire, since the guard started", "rule", "asset"),
    _gauge("mm_rule_last_fired_timestamp_seconds", "Unix time at which the rule fired last", "rule"),
    _gauge("mm_rule_proven_timestamp_seconds", "Unix time at which the rule fired last in a drill", "rule"),
    _gauge("mm_cascade_severity", "Liquidation cascade, 0 to 1, of the coin where it is worst", "asset"),
    _gauge("mm_jump_ratio", "Realised / bipower variance, of the coin where it is highest", "asset"),
    _gauge("mm_lease_left_seconds", "Time until the guard's permission to quote ends; below 0: it has", "asset"),
    _gauge("mm_tail_risk_multiplier", "Factor that the guard asks of spreads, 1 to 4", "asset"),
    _gauge("mm_size_multiplier", "Factor that the guard asks of sizes, 0 to 1", "asset"),
    _gauge("mm_possible_loss_usd", "Loss if all coins move by the gap against us, orders filled first", "gap"),
    _gauge("mm_day_budget_left_usd", "What may still be lost today before the daily stop"),
    _gauge("mm_exposure_usd", "Sum of |position| in USD"),
    _gauge("mm_resting_usd", "Orders that may still fill, the larger side of each coin, in USD"),
    _gauge("mm_liquidation_distance", "Move of all coins against us that liquidates the account, a fraction"),
    # live trading
    _gauge("mm_confirmation_left_seconds", "Time until the typed confirmation of live trading ends"),
    _gauge("mm_gate_missing", "1 for each gate whose evidence was missing when live was confirmed", "gate"),
    _gauge("mm_recovery_phase", "1 with the phase of the recovery; orders are placed in ready alone", "stage"),
    _gauge("mm_unknown_orders", "Orders whose fate is not known and being asked for"),
    _counter("mm_dark_fills_total", "Fills not told, or not of our orders, since the monitor started", "asset"),
    _gauge("mm_tie_out_age_seconds", "Time since our books and the venue's account agreed, or the session began"),
    _gauge("mm_untied_balances", "Positions (and cash) that differ from the venue's for no known reason"),
    _counter("mm_live_orders_rejected_total", "Orders that never rested, since the executor started", "reason"),
    _counter("mm_exchange_errors_total", "Requests gone wrong since the executor started", "action", "reason"),
    _gauge("mm_post_only_reject_ratio", "Orders refused because they would have crossed / orders placed"),
    _gauge("mm_api_mode", "1 with what the request planner lets through", "stage"),
    _gauge("mm_api_headroom_ratio", "Requests left / a full budget"),
    _gauge("mm_api_requests_left", "Requests that the venue still takes from the address"),
    _gauge("mm_api_requests_used", "Requests that the venue has counted, and ours since then"),
    _gauge("mm_api_requests_cap", "Requests that the venue allows the address"),
    _gauge("mm_api_hourly_requests", "Requests an hour: spent, earned by trading, and affordable", "action"),
    _gauge("mm_api_empty_seconds", "Time until the budget is empty at these rates; absent while it grows"),
    _gauge("mm_api_spread_multiplier", "Factor that the request budget asks of spreads, 1 to 4"),
    _gauge("mm_api_forecast_error_ratio", "Mean error of forecasts ten minutes ahead / requests they were about"),
    _counter("mm_twin_fills_total", "Fills live, and of the shadow on the same targets", "asset", "mode"),
    _counter("mm_twin_fill_usd_total", "Volume of these in USD", "asset", "mode"),
    _gauge("mm_twin_edge_bps", "Their mean distance from the mid in bps, + is good, before fees", "asset", "mode"),
    _gauge("mm_twin_fill_difference", "Fills live less those of the shadow", "asset"),
    _gauge("mm_twin_edge_difference_bps", "mm_twin_edge_bps live less that of the shadow", "asset"),
    # gates and data
    _gauge("mm_gate_verdict", "Newest evidence: 1 GO, 0 not enough data, -1 NO-GO", "gate"),
    _gauge("mm_gate_evidence_timestamp_seconds", "Unix time at which the newest evidence was made"),
    _gauge("mm_gate_evidence_left_seconds", "Time until the newest evidence ends; below 0: it has"),
    _gauge("mm_analysis_timestamp_seconds", "Unix time of the newest nightly analysis"),
    _gauge("mm_analysis_verdict", "What it says of the gate: 1 GO, 0 not enough data, -1 NO-GO", "gate"),
    _gauge("mm_analysis_coins", "Coins that it calls GO", "gate"),
    _gauge("mm_recording_age_seconds", "Time since a file of the family was written", "family"),
    _gauge("mm_disk_free_bytes", "Free on the disk of the data folder"),
    _gauge("mm_disk_used_ratio", "Used part of that disk"),
    _gauge(
        "mm_disk_left_seconds",
        "Time until it is full, by the last day and the last hour; absent while it does not fill",
    ),
    # infrastructure
    _gauge("mm_data_staleness_secs", "Greatest age of the book in the last 10 s", "asset"),
    _gauge("mm_quote_cycle_latency_ms", "Slowest frame-to-target in the last 10 s", "asset"),
    _gauge("mm_service_heartbeat_age_seconds", "Time since the service's last heartbeat", "service"),
    _gauge("mm_service_memory_bytes", "Peak resident memory of the service", "service"),
    _gauge("mm_service_start_timestamp_seconds", "Unix time at which the service started", "service"),
    _counter("mm_service_restarts_total", "Times it began anew in the same run, as the monitor saw it", "service"),
    _counter("mm_ws_reconnects_total", "Reconnections of the market-data feed"),
    _gauge("mm_feed_connected", "1 while the market-data feed is connected"),
    _gauge("mm_feed_age_seconds", "Time since the last frame of the venue"),
    _counter("mm_feed_frames_total", "Frames received since the ingestor started"),
    _counter("mm_feed_refused_total", "Frames refused: crossed, malformed or out of order"),
    _gauge("mm_bus_lag", "Entries written that the service has not read yet, all coins", "service", "stream"),
    _gauge("mm_bus_pending", "Entries read and not acknowledged, all coins", "service", "stream"),
    _gauge("mm_redis_memory_ratio", "Used memory of Redis / its limit"),
    _gauge(
        "mm_converter_last_success_timestamp_seconds",
        "Unix time of the last conversion of everything, or of the first try",
    ),
    _gauge("mm_build_info", "1; what is running", "version", "venue"),
)

WATCHDOG = (
    _gauge("mm_watchdog_executor_silent", "1 while no live status of the executor comes"),
    _gauge("mm_watchdog_alarm", "1 while orders of ours rest at the venue without an executor"),
    _counter("mm_watchdog_alarms_total", "Times that orders of ours were found without an executor"),
    _counter("mm_watchdog_cancelled_total", "Orders that the watchdog cancelled"),
    _gauge("mm_watchdog_own_orders", "Orders of ours at the venue at the last look"),
    _gauge("mm_watchdog_foreign_orders", "Orders of somebody else on the account at the last look"),
    _gauge("mm_watchdog_look_age_seconds", "Time since the venue last showed the account's orders"),
    _gauge("mm_watchdog_key_holds", "1 while the watchdog's key is an agent of the account"),
    _gauge("mm_watchdog_switch_seconds", "Time until the venue's dead man's switch goes off; 0: not armed"),
)
"""What the watchdog exposes of itself, in live runs only."""
