"""Books with fewer significant figures (`nSigFigs`, `mantissa`)."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from services.venue.api import frames
from shared.hyperliquid.wire import L2Book, WireLevel
from shared.units import wire


def valid(n_sig_figs: int | None, mantissa: int | None) -> bool:
    """nSigFigs 2 to 5 or none; mantissa 1, 2 or 5, only with 5 figures."""
    if n_sig_figs is None:
        return mantissa is None
    return 2 <= n_sig_figs <= 5 and (mantissa is None or (n_sig_figs == 5 and mantissa in (1, 2, 5)))


def book_data(book: L2Book, n_sig_figs: int | None, mantissa: int | None) -> dict[str, Any]:
    """Data of `l2Book`; with `spread`, between the true best prices, when it is aggregated."""
    data = frames.book(aggregate(book, n_sig_figs, mantissa))
    bids, asks = book.levels
    if n_sig_figs is not None and bids and asks:
        data["spread"] = wire(asks[0].px - bids[0].px)
    return data


def aggregate(book: L2Book, n_sig_figs: int | None, mantissa: int | None) -> L2Book:
    """Levels joined on the coarser grid, bids rounded down and asks up, so that the book never crosses."""
    if n_sig_figs is None:
        return book
    bids, asks = (
        _join(side, n_sig_figs, mantissa or 1, rounding)
        for side, rounding in zip(book.levels, (ROUND_FLOOR, ROUND_CEILING), strict=True)
    )
    return L2Book(book.coin, book.time, (bids, asks), book.fast)


def _join(side: tuple[WireLevel, ...], figures: int, mantissa: int, rounding: str) -> tuple[WireLevel, ...]:
    joined: dict[Decimal, tuple[Decimal, int]] = {}
    for level in side:
        step = Decimal(mantissa).scaleb(level.px.adjusted() - figures + 1)
        px = (level.px / step).to_integral_value(rounding) * step
        sz, n = joined.get(px, (Decimal(0), 0))
        joined[px] = sz + level.sz, n + level.n
    return tuple(WireLevel(px, sz, n) for px, (sz, n) in joined.items())
