"""Every question that a dashboard asks of Prometheus, and why the answer to some of them may be nothing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ONLY_LIVE = "of live trading only"
ON_DEMAND = "until `market_maker gates` or the nightly analysis has judged"
LEARNING = "until enough was observed to know it"
WHEN_IT_HAPPENS = "until it happens"

EMPTY: Mapping[str, str] = {
    "mm_adverse_selection_bps": LEARNING,
    "mm_analysis_coins": ON_DEMAND,
    "mm_analysis_timestamp_seconds": ON_DEMAND,
    "mm_analysis_verdict": ON_DEMAND,
    "mm_api_empty_seconds": ONLY_LIVE,
    "mm_api_forecast_error_ratio": ONLY_LIVE,
    "asset:mm_cancel_fill_ratio:1h": "until something is traded",
    "mm_api_headroom_ratio": ONLY_LIVE,
    "mm_api_hourly_requests": ONLY_LIVE,
    "mm_api_mode": ONLY_LIVE,
    "mm_api_requests_cap": ONLY_LIVE,
    "mm_api_requests_left": ONLY_LIVE,
    "mm_api_requests_used": ONLY_LIVE,
    "mm_api_spread_multiplier": ONLY_LIVE,
    "mm_beta_book": LEARNING,
    "mm_beta_flow": LEARNING,
    "mm_bus_lag": "while everything was read",
    "mm_bus_pending": "while everything was acknowledged",
    "mm_cascade_severity": LEARNING,
    "mm_confirmation_left_seconds": ONLY_LIVE,
    "mm_converter_last_success_timestamp_seconds": "until the first conversion",
    "mm_dark_fills_total": ONLY_LIVE,
    "mm_disk_left_seconds": "while the disk does not fill, and before enough was seen of that",
    "mm_edge_bps": LEARNING,
    "mm_edge_part_bps": "until something is traded",
    "mm_edge_part_usd": "until something is traded",
    "mm_exchange_errors_total": ONLY_LIVE,
    "mm_exchange_request_seconds_bucket": ONLY_LIVE,
    "mm_flattening": "while no coin is reduced",
    "mm_gate_evidence_left_seconds": ON_DEMAND,
    "mm_gate_evidence_timestamp_seconds": ON_DEMAND,
    "mm_gate_missing": ONLY_LIVE,
    "mm_gate_verdict": ON_DEMAND,
    "mm_jump_ratio": LEARNING,
    "mm_kappa": LEARNING,
    "mm_last_fill_price": "between fills",
    "mm_liquidation_distance": "while nothing is held",
    "mm_live_orders_rejected_total": ONLY_LIVE,
    "mm_markout_bps": LEARNING,
    "mm_noquote_seconds_total": "while both sides are quoted",
    "mm_ofi": LEARNING,
    "mm_flow_imbalance": LEARNING,
    "mm_orders_rejected_total": WHEN_IT_HAPPENS,
    "mm_post_only_reject_ratio": ONLY_LIVE,
    "mm_recording_age_seconds": "until something is written",
    "mm_recovery_phase": ONLY_LIVE,
    "mm_rule_closeness": "while no rule is closest to its limit there",
    "mm_rule_fired": "while no rule fires",
    "mm_rule_fired_total": WHEN_IT_HAPPENS,
    "mm_rule_last_fired_timestamp_seconds": WHEN_IT_HAPPENS,
    "mm_rule_proven_timestamp_seconds": "until a drill has proven it",
    "mm_sigma": LEARNING,
    "mm_side_blocked": "while nothing is held back",
    "mm_tie_out_age_seconds": ONLY_LIVE,
    "mm_twin_edge_bps": ONLY_LIVE,
    "mm_twin_edge_difference_bps": ONLY_LIVE,
    "mm_twin_fill_difference": ONLY_LIVE,
    "mm_twin_fill_usd_total": ONLY_LIVE,
    "mm_twin_fills_total": ONLY_LIVE,
    "mm_unknown_orders": ONLY_LIVE,
    "mm_untied_balances": ONLY_LIVE,
    "mm_volatility_regime": LEARNING,
    "mm_watchdog_cancelled_total": ONLY_LIVE,
    "mm_watchdog_foreign_orders": ONLY_LIVE,
    "mm_watchdog_key_holds": ONLY_LIVE,
    "mm_watchdog_look_age_seconds": ONLY_LIVE,
    "mm_watchdog_own_orders": ONLY_LIVE,
    "mm_watchdog_switch_seconds": ONLY_LIVE,
}
"""Metrics without a series in shadow or at first, each with the reason."""
UNEVENTFUL: Mapping[str, str] = {
    "mm_halted": "while nothing is halted",
    "mm_orders_filled_total": "between fills",
    "mm_service_start_timestamp_seconds": "while no service starts",
}
"""The same of annotations."""


@dataclass(frozen=True, slots=True)
class Question:
    """One query of one panel, or of an annotation."""

    board: str
    title: str
    expr: str
    place: int
    """Row of the panel's top; -1 for an annotation."""

    @property
    def metrics(self) -> set[str]:
        return set(re.findall(r"(?<![\w:])mm_\w+", self.expr))

    @property
    def reason(self) -> str | None:
        """Why there may be no answer; None where one is due."""
        if self.place == 0 and self.metrics != {"mm_gate_missing"}:
            return None
        known = UNEVENTFUL if self.place < 0 else EMPTY
        recorded = set(re.findall(r"\w+:mm_\w+:\w+", self.expr))
        reasons = {known[name] for name in self.metrics | recorded if name in known}
        return "; ".join(sorted(reasons)) or None


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def questions(board: Mapping[str, Any]) -> Iterator[Question]:
    for panel in panels(board):
        for target in panel["targets"]:
            yield Question(board["uid"], panel["title"], target["expr"], panel["gridPos"]["y"])
    for annotation in board["annotations"]["list"]:
        yield Question(board["uid"], f"annotation {annotation['name']}", annotation["target"]["expr"], -1)


def filled(expr: str, coin: str, step_s: float = 5, range_s: float = 900) -> str:
    """The query as Grafana would send it, all coins chosen where there is a choice."""
    for name, value in (
        ("$__rate_interval", f"{max(20, int(step_s) + 5)}s"),
        ("$__interval_ms", f"{max(5, int(step_s)) * 1000}"),
        ("$__interval", f"{max(5, int(step_s))}s"),
        ("$__range", f"{int(range_s)}s"),
        ("$asset", ".*"),
        ("$coin", coin),
    ):
        expr = expr.replace(name, value)
    return expr
