"""What happened around a fill, line by line: our decisions and orders by our clock, the market by the venue's."""

from decimal import Decimal
from typing import NamedTuple

from market_maker.explain.judge import Markout, Sweep, ntl_usd
from services.executor.sim import displayed_sz
from shared.flights import Flight
from shared.messages import Book, Fill, RiskLease, TargetQuotes

MAX_PRINTS = 5


class Moment(NamedTuple):
    """A line of the timeline; `at_ms` is relative to the fill."""

    at_ms: float
    what: str
    text: str


def ahead_of(flight: Flight) -> Decimal | None:
    """Displayed at our price when the order came to rest; None: not known."""
    book, fill = flight.book_at_rest, flight.fill
    return None if book is None else displayed_sz(book, fill.px, fill.side)


def timeline_of(flight: Flight, sweep: Sweep, markouts: tuple[Markout, ...]) -> list[Moment]:
    """In order of time; of one moment first what caused, then what followed."""
    moments = [
        *_decisions(flight),
        *_order(flight),
        *_touch(flight.book_before, flight.fill),
        *_prints(sweep),
        Moment(0, "FILL", _fill_text(flight.fill)),
        *_touch(flight.book_after, flight.fill),
        *(Moment(1000 * mark.horizon_s, "markout", _markout_text(mark)) for mark in markouts if mark.mid_px),
    ]
    return sorted(moments, key=lambda moment: moment.at_ms)


def _fill_text(fill: Fill) -> str:
    before_sz = position_before(fill)
    return (
        f"{fill.sz} @ {fill.px} = {fill.px * fill.sz:.2f} USD, fee {fill.fee_usd:.4f} USD;"
        f" position {before_sz.normalize():f} → {fill.position_sz.normalize():f}"
    )


def position_before(fill: Fill) -> Decimal:
    return fill.position_sz + (-fill.sz if fill.side == "bid" else fill.sz)


def _markout_text(mark: Markout) -> str:
    return f"{mark.markout_bps:+z.2f} bps (mid {mark.mid_px:.8g}), edge {mark.edge_bps:+z.2f} bps"


def _decisions(flight: Flight) -> list[Moment]:
    fill_ms, side = flight.fill.time_ms, flight.fill.side
    targets = [target for target in (flight.target, flight.target_at_fill) if target is not None]
    leases = [lease for lease in (flight.lease, flight.lease_at_fill) if lease is not None]
    return [
        *(Moment(target.computed_ms - fill_ms, "target", _target_text(target, side)) for target in targets),
        *(Moment(lease.issued_ms - fill_ms, "lease", _lease_text(lease, fill_ms, side)) for lease in leases),
    ]


def _target_text(target: TargetQuotes, side: str) -> str:
    quotes, reason = (target.bids, target.bid_reason) if side == "bid" else (target.asks, target.ask_reason)
    wanted = ", ".join(f"L{quote.level} {quote.px}" for quote in quotes) or f"none, reason {reason}"
    return f"mid {target.mid_px:.8g}, {side}s wanted: {wanted}"


def _lease_text(lease: RiskLease, fill_ms: int, side: str) -> str:
    permit = lease.bid if side == "bid" else lease.ask
    why = f" ({permit.reason})" if permit.reason else ""
    return f"{side}: {permit.allow}{why}, good until {lease.valid_until_ms - fill_ms:+,d} ms"


def _order(flight: Flight) -> list[Moment]:
    fill, order = flight.fill, flight.order
    if order is None:
        return []
    moments = []
    for number, step in enumerate(flight.steps):
        said = [step.status]
        if number == 0:
            said.append(f"{order.side} L{order.level} {order.sz} @ {order.px}")
            if flight.placed_1m:
                said.append(f"order {flight.placed_1m + 1} on this level within a minute")
        rests = step.status == "open" or (step.status == "cancelling" and not step.reason)
        if rests and not step.filled_sz and flight.book_at_rest is not None:
            said += [] if step.status == "open" else ["at rest meanwhile"]
            said.append(_ahead_text(ahead_of(flight), fill))
        if step.filled_sz:
            said.append(f"{step.filled_sz} of {order.sz} filled")
        if step.reason:
            said.append(f"reason {step.reason}")
        moments.append(Moment(step.time_ms - fill.time_ms, "order", ", ".join(dict.fromkeys(said))))
    return moments


def _ahead_text(sz: Decimal | None, fill: Fill) -> str:
    if sz is None:
        return "queue ahead not known: the book did not show our price"
    if not sz:
        return "nobody ahead of us at this price"
    return f"{sz:f} ({sz * fill.px:,.0f} USD) ahead of us at this price"


def _prints(sweep: Sweep) -> list[Moment]:
    shown, rest = sweep.prints[:MAX_PRINTS], sweep.prints[MAX_PRINTS:]
    verb = {"A": "sell", "B": "buy"}
    texts = [f"{verb[trade.side]} {trade.sz:f} @ {trade.px:f}, trade {trade.tid}" for trade in shown]
    texts += [f"and {len(rest)} more, {ntl_usd(rest):,.0f} USD"] if rest else []
    return [Moment(0, "print", text) for text in texts]


def _touch(book: Book | None, fill: Fill) -> list[Moment]:
    if book is None or not book.bids or not book.asks:
        return []
    bid, ask = book.bids[0], book.asks[0]
    text = f"{bid.sz:f} @ {bid.px:f} | {ask.sz:f} @ {ask.px:f}, spread {book.spread_bps:.2f} bps"
    return [Moment(book.time_ms - fill.time_ms, "book", text)]
