"""Answers about what happened to an account: fills, funding, transfers."""

from collections.abc import Iterable
from typing import Any, TypeVar

from services.venue.api import info, shapes
from services.venue.api.view import View
from services.venue.exchange.facts import Filled, FundingPaid, LedgerUpdated

FILLS_SHOWN = 2000
EVENTS_SHOWN = 500

Dated = TypeVar("Dated", Filled, FundingPaid, LedgerUpdated)


def user_fills(view: View, request: info.UserFills) -> Any:
    account = view.account(request.user)
    return newest_fills(account.fills, request.aggregate_by_time, FILLS_SHOWN)


def newest_fills(items: Iterable[Filled], aggregate_by_time: bool | None, limit: int) -> list[dict[str, Any]]:
    """Newest first."""
    chosen = shapes.aggregated(items) if aggregate_by_time else list(items)
    return [shapes.fill(item) for item in chosen[::-1][:limit]]


def fills_by_time(view: View, request: info.UserFillsByTime) -> Any:
    """Oldest first, so that the next page starts at the last time."""
    account = view.account(request.user)
    items = _between(view, account.fills, request.start_time, request.end_time)
    chosen = shapes.aggregated(items) if request.aggregate_by_time else items
    return [shapes.fill(item) for item in chosen[:FILLS_SHOWN]]


def user_funding(view: View, request: info.UserFunding) -> Any:
    account = view.account(request.user)
    items = _between(view, account.fundings, request.start_time, request.end_time)
    return [shapes.funding_entry(item) for item in items[:EVENTS_SHOWN]]


def ledger_updates(view: View, request: info.UserNonFundingLedgerUpdates) -> Any:
    account = view.account(request.user)
    items = _between(view, account.ledger, request.start_time, request.end_time)
    return [shapes.ledger_entry(item) for item in items[:EVENTS_SHOWN]]


def _between(view: View, items: Iterable[Dated], start_ms: int, end_ms: int | None) -> list[Dated]:
    """Both ends included."""
    last_ms = view.now_ms if end_ms is None else end_ms
    return [item for item in items if start_ms <= item.time_ms <= last_ms]
