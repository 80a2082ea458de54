"""What `status` says of live trading: whose account, on whose word, and how sure we are of it."""

from collections.abc import Iterator
from typing import Any

from shared.clock import utc
from shared.messages import LiveStatus, RequestBudget

TIE_OUT_LATE_S = 180.0
"""Books and venue are compared every minute."""
BANNER = "LIVE"
ALARM = "BOOKS DIFFER FROM THE VENUE"


def facts(live: LiveStatus, now_ms: float) -> dict[str, Any]:
    """JSON-ready; ages and spans count from `now_ms`."""
    return {
        "account": live.account,
        "phase": live.phase,
        "confirmed_until_ms": live.confirmed_until_ms,
        "confirmed_hours_left": round((live.confirmed_until_ms - now_ms) / 3_600_000, 2),
        "without": list(live.without),
        "refused": list(live.refused),
        "unknown_orders": live.unknown_orders,
        "rejects": dict(sorted(live.rejects.items(), key=lambda item: -item[1])),
        "errors": dict(sorted(live.errors.items(), key=lambda item: -item[1])),
        "dark_fills": live.dark_fills,
        "tied_out_age_s": round(max(0.0, now_ms - live.tied_out_ms) / 1000, 1) if live.tied_out_ms else None,
        "untied": {coin or "account": by for coin, by in live.untied.items()},
        "budget": _budget(live.budget),
    }


def _budget(budget: RequestBudget) -> dict[str, Any]:
    hours = budget.hours_to_empty
    return {
        "mode": budget.mode,
        "left": budget.left,
        "used": budget.used,
        "cap": budget.cap,
        "headroom_frac": round(budget.headroom_frac, 4),
        "widening": round(budget.widening, 3),
        "spent_per_hour": round(budget.spent_per_hour, 1),
        "earned_per_hour": round(budget.earned_per_hour, 1),
        "pace_per_hour": round(budget.pace_per_hour, 1),
        "hours_to_empty": None if hours is None else round(hours, 2),
        "forecasts": budget.forecasts,
        "forecast_error_frac": round(budget.forecast_error_frac, 4),
    }


def lines(facts: dict[str, Any]) -> Iterator[str]:
    """The same in words, whose money first."""
    hours = facts["confirmed_hours_left"]
    until = f"{utc(facts['confirmed_until_ms']):%Y-%m-%d %H:%M} UTC"
    left = f"confirmed until {until} ({hours:.1f} h left)" if hours > 0 else f"CONFIRMATION OVER since {until}"
    without = f", WITHOUT {', '.join(facts['without'])}" if facts["without"] else ""
    yield f"{BANNER} on account {facts['account']}, {left}{without}"
    phase = f"REFUSED ({'; '.join(facts['refused'])})" if facts["phase"] == "refused" else facts["phase"]
    age_s = facts["tied_out_age_s"]
    late = age_s is not None and age_s > TIE_OUT_LATE_S
    tied = "not yet compared with the venue" if age_s is None else f"books equal to the venue {age_s:.0f} s ago"
    yield (
        f"recovery {phase}, {facts['unknown_orders']} orders of unknown fate, {facts['dark_fills']} dark fills,"
        f" {tied}{' (LATE)' if late else ''}"
    )
    if facts["untied"]:
        yield f"{ALARM}: {'; '.join(f'{coin}: {by}' for coin, by in facts['untied'].items())}"
    if facts["rejects"]:
        yield f"rejects: {_counts(facts['rejects'])}"
    if any(facts["errors"].values()):
        yield f"requests that went wrong: {_counts(facts['errors'])}"
    yield _budget_line(facts["budget"])


def _counts(by_name: dict[str, int]) -> str:
    return ", ".join(f"{name} ×{count}" for name, count in by_name.items() if count)


def _budget_line(budget: dict[str, Any]) -> str:
    hours = budget["hours_to_empty"]
    widened = f", spreads ×{budget['widening']:.2f}" if budget["widening"] > 1 else ""
    error = f", forecasts off by {budget['forecast_error_frac']:.0%}" if budget["forecasts"] else ""
    return (
        f"request budget: {budget['mode']}, {budget['left']:,} left (headroom {budget['headroom_frac']:.0%}),"
        f" spent {budget['spent_per_hour']:,.0f}/h, earned {budget['earned_per_hour']:,.0f}/h,"
        f" {'not getting less' if hours is None else f'empty in {hours:,.1f} h'}{widened}{error}"
    )
