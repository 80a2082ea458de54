"""The summary of a session: what was quoted, filled, earned and used, as one flat mapping for people and JSON."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from market_maker.plan import SupervisorState
from market_maker.snapshot import Snapshot, side_reasons
from shared.messages import Book, Message, TargetQuotes

_CENT = Decimal("0.01")


@dataclass
class Watch:
    """Remembers, over successive looks, what a last look cannot tell."""

    started_ms: float
    first_book_ms: float | None = None
    first_quote_ms: float | None = None
    most_books: int = 0
    most_both_sides: int = 0
    last: Snapshot | None = None
    peak_memory_mb: dict[str, float] = field(default_factory=dict)

    def take(self, snapshot: Snapshot, memory_mb: dict[str, float] | None = None) -> None:
        """Another look."""
        self.most_books = max(self.most_books, len(snapshot.fresh_books))
        self.most_both_sides = max(self.most_both_sides, len(snapshot.resting_both_sides))
        for name, mb in (memory_mb or {}).items():
            self.peak_memory_mb[name] = max(mb, self.peak_memory_mb.get(name, 0.0))
        if snapshot.account is not None or self.last is None:
            self.last = snapshot

    def take_beginning(self, messages: Iterable[Message]) -> None:
        """When the first book and the first quote of this run came, by the times that the messages carry."""
        books, quotes = [], []
        for message in messages:
            if isinstance(message, Book) and message.received_ms >= self.started_ms:
                books.append(message.received_ms)
            elif isinstance(message, TargetQuotes) and (message.bids or message.asks):
                quotes += [float(message.computed_ms)] if message.source_ms >= self.started_ms else []
        self.first_book_ms = min(books, default=None)
        self.first_quote_ms = min(quotes, default=None)

    @property
    def first_quote_after_book_s(self) -> float | None:
        if self.first_book_ms is None or self.first_quote_ms is None:
            return None
        return max(0.0, self.first_quote_ms - self.first_book_ms) / 1000


def summarise(watch: Watch, ended_ms: float, restarts: dict[str, int], **about: str) -> dict[str, Any]:
    """JSON-ready; money as exact decimal text."""
    snapshot = watch.last or Snapshot(ended_ms)
    account = snapshot.account
    statuses = snapshot.quoted.values()
    return {
        **about,
        "mode": account.mode if account else about.get("mode"),
        "without": list(account.live.without) if account and account.live else [],
        "duration_s": round((ended_ms - watch.started_ms) / 1000, 1),
        "coins": len(snapshot.coins),
        "coins_with_fresh_book": len(snapshot.fresh_books),
        "coins_quoting_both_sides": len(snapshot.resting_both_sides),
        "coins_quoting_both_sides_max": watch.most_both_sides,
        "first_quote_after_first_book_s": watch.first_quote_after_book_s,
        "halted": snapshot.halt.halted,
        "halt_reason": snapshot.halt.reason,
        "pnl_usd": _money(account.pnl_usd if account else None),
        "fees_usd": _money(account.fees_usd if account else None),
        "funding_usd": _money(account.funding_usd if account else None),
        "volume_usd": _money(account.volume_usd if account else None),
        "fills": account.fills if account else 0,
        "orders_placed": sum(status.orders_placed for status in statuses),
        "orders_canceled": sum(status.orders_canceled for status in statuses),
        "orders_rejected": sum(status.orders_rejected for status in statuses),
        "sides_without_quote": snapshot.reasons,
        "restarts": {name: count for name, count in restarts.items() if count},
        "memory_mb": {name: round(mb, 1) for name, mb in sorted(watch.peak_memory_mb.items())},
        "memory_total_mb": round(sum(watch.peak_memory_mb.values()), 1),
        "per_coin": [coin_line(snapshot, coin) for coin in snapshot.listed],
    }


def coin_line(snapshot: Snapshot, coin: str) -> dict[str, Any]:
    """One coin as `status` and the summary show it."""
    book, status = snapshot.books.get(coin), snapshot.quoted.get(coin)
    bid_reason, ask_reason = side_reasons(snapshot, coin)
    orders = None if snapshot.executor_silent else status
    return {
        "coin": coin,
        "mid_px": book.mid_px if book else None,
        "spread_bps": round(book.spread_bps, 3) if book else None,
        "book_age_s": round((snapshot.time_ms - book.received_ms) / 1000, 2) if book else None,
        "bid_px": _money(orders.best_bid_px if orders else None),
        "ask_px": _money(orders.best_ask_px if orders else None),
        "position_sz": _money(status.position_sz if status else None),
        "position_usd": _money((status.position_sz * status.mark_px).quantize(_CENT) if status else None),
        "pnl_usd": _money(status.pnl_usd if status else None),
        "fills": status.fills if status else 0,
        "bid_reason": bid_reason or None,
        "ask_reason": ask_reason or None,
    }


def _money(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def memory_of(state: SupervisorState) -> dict[str, float]:
    """Resident memory of the supervisor and each child, in MB; empty where the system does not tell (no /proc)."""
    pids = {"supervisor": state.pid, **{name: child.pid for name, child in state.children.items()}}
    return {name: mb for name, pid in pids.items() if (mb := _resident_mb(pid)) is not None}


def _resident_mb(pid: int) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), None)


def render(summary: dict[str, Any]) -> list[str]:
    """The summary in a few lines for people."""
    memory = f"{summary['memory_total_mb']} MB" if summary["memory_mb"] else "not measured"
    after = summary["first_quote_after_first_book_s"]
    mode = " WITHOUT ".join(filter(None, [str(summary["mode"]), ", ".join(summary["without"])]))
    reasons = ", ".join(f"{reason} ×{count}" for reason, count in summary["sides_without_quote"].items())
    return [
        f"Session of {summary['duration_s']} s on {summary['venue']} ({mode}), run {summary['run_id']}",
        f"  PnL ${_cents(summary['pnl_usd'])} = marked to mid, after fees ${_cents(summary['fees_usd'])}"
        f" and funding ${_cents(summary['funding_usd'])}",
        f"  {summary['fills']} fills, volume ${_cents(summary['volume_usd'])};"
        f" orders: {summary['orders_placed']} placed, {summary['orders_canceled']} cancelled,"
        f" {summary['orders_rejected']} rejected",
        f"  {summary['coins_quoting_both_sides']} of {summary['coins']} coins quoted on both sides at the end"
        f" (most: {summary['coins_quoting_both_sides_max']}); first quote"
        f" {'never came' if after is None else f'{after:.2f} s after the first book'}",
        f"  sides without a quote: {reasons or 'none'}",
        f"  memory: {memory}; restarts: {summary['restarts'] or 'none'}"
        + (f"; HALTED: {summary['halt_reason']}" if summary["halted"] else ""),
    ]


def _cents(value: str | None) -> str:
    return "?" if value is None else f"{float(value):.4f}"
