"""What only live trading has, for Prometheus: samples from the core's state at the moment of a scrape."""

from collections.abc import Iterable, Iterator

from services.monitor.core import Monitor
from shared.messages import AccountStatus, LiveStatus, Reason, RequestBudget

Samples = Iterator[tuple[str, tuple[str, ...], float]]
_REASONS = frozenset(Reason)


def live_samples(core: Monitor, now_ms: float, heard: bool) -> Samples:
    """`heard`: the executor's words about the present are still true; what it has summed up stays true."""
    account = core.account
    if account is None or account.live is None:
        return
    yield from _confirmation(account.live, now_ms)
    yield from _books(core, account, account.live, now_ms)
    yield from _rejects(account, account.live.rejects)
    for action, outcomes in account.live.faults.items():
        for outcome, count in outcomes.items():
            yield "mm_exchange_errors_total", (action, outcome), count
    yield from _twin(core)
    if heard:
        yield "mm_recovery_phase", (account.live.phase,), 1.0
        yield "mm_unknown_orders", (), account.live.unknown_orders
        yield from _budget(account.live.budget)


def reducing_samples(account: AccountStatus, coins: Iterable[str]) -> Samples:
    """Coins in which the operator allows only orders towards flat, and those that are being worked off."""
    for coin in coins:
        yield "mm_reduce_only", (coin,), float(coin in account.reduce_only or "" in account.reduce_only)
        yield "mm_flattening", (coin,), float(coin in account.flattening)


def _confirmation(live: LiveStatus, now_ms: float) -> Samples:
    if live.confirmed_until_ms:
        yield "mm_confirmation_left_seconds", (), (live.confirmed_until_ms - now_ms) / 1000
    for gate in live.without:
        yield "mm_gate_missing", (gate,), 1.0


def _books(core: Monitor, account: AccountStatus, live: LiveStatus, now_ms: float) -> Samples:
    agreed_ms = live.tied_out_ms or account.session_start_ms
    yield "mm_tie_out_age_seconds", (), max(0.0, now_ms - agreed_ms) / 1000
    yield "mm_untied_balances", (), len(live.untied)
    for coin in core.coins.keys() | core.dark_fills.keys():
        yield "mm_dark_fills_total", (coin,), core.dark_fills[coin]


def _rejects(account: AccountStatus, rejects: dict[str, int]) -> Samples:
    by_code: dict[str, int] = {Reason.WOULD_CROSS: 0}
    for reason, count in rejects.items():
        code = reason if reason in _REASONS else "other"
        by_code[code] = by_code.get(code, 0) + count
    for code, count in by_code.items():
        yield "mm_live_orders_rejected_total", (code,), count
    placed = sum(line.orders_placed for line in account.coins)
    if placed:
        yield "mm_post_only_reject_ratio", (), by_code[Reason.WOULD_CROSS] / placed


def _twin(core: Monitor) -> Samples:
    for coin, (live, shadow) in core.twin.pairs():
        yield "mm_twin_fill_difference", (coin,), live.fills - shadow.fills
        if live.edge_bps is not None and shadow.edge_bps is not None:
            yield "mm_twin_edge_difference_bps", (coin,), float(live.edge_bps - shadow.edge_bps)
    for (coin, mode), tally in core.twin.tallies.items():
        yield "mm_twin_fills_total", (coin, mode), tally.fills
        yield "mm_twin_fill_usd_total", (coin, mode), float(tally.volume_usd)
        if tally.edge_bps is not None:
            yield "mm_twin_edge_bps", (coin, mode), float(tally.edge_bps)


def _budget(budget: RequestBudget) -> Samples:
    """Nothing but its mode before the venue has told the budget."""
    yield "mm_api_mode", (budget.mode,), 1.0
    if budget.mode == "unknown":
        return
    yield "mm_api_headroom_ratio", (), budget.headroom_frac
    yield "mm_api_requests_left", (), budget.left
    yield "mm_api_requests_used", (), budget.used
    yield "mm_api_requests_cap", (), budget.cap
    yield "mm_api_spread_multiplier", (), budget.widening
    yield "mm_api_hourly_requests", ("spent",), budget.spent_per_hour
    yield "mm_api_hourly_requests", ("earned",), budget.earned_per_hour
    yield "mm_api_hourly_requests", ("affordable",), budget.pace_per_hour
    if budget.hours_to_empty is not None:
        yield "mm_api_empty_seconds", (), budget.hours_to_empty * 3600
    if budget.forecasts:
        yield "mm_api_forecast_error_ratio", (), budget.forecast_error_frac
